package backup

// What can be wrong with a backup's objects. The words are stable: scripts and stored records hold them.
const (
	ProblemStatus         ProblemKind = "status"            // the backup, or a node's part of it, did not end with SUCCESS
	ProblemIdentity       ProblemKind = "identity"          // a descriptor is of another backup than the folder it lies in
	ProblemChain          ProblemKind = "chain"             // the chain of incremental bases breaks one of Weaviate's rules
	ProblemNodePart       ProblemKind = "node-part"         // a node's backup.json is missing, truncated, not JSON, or contradicts the coordinator
	ProblemCollections    ProblemKind = "collections"       // the coordinator and a node disagree on what is in the backup
	ProblemSizes          ProblemKind = "sizes"             // sizes do not add up
	ProblemShard          ProblemKind = "shard"             // a chunk names an unknown shard, or a shard has no chunk
	ProblemChunkMissing   ProblemKind = "chunk-missing"     //
	ProblemChunkHidden    ProblemKind = "chunk-hidden"      // missing, but only behind a delete marker
	ProblemChunkEmpty     ProblemKind = "chunk-empty"       //
	ProblemChunkArchived  ProblemKind = "chunk-archived"    // its storage class must be thawed first
	ProblemChunkUnnamed   ProblemKind = "chunk-unnamed"     // in the bucket, but in no descriptor: a restore ignores it
	ProblemChunkCut       ProblemKind = "chunk-cut"         // ends before its end
	ProblemChunkCorrupt   ProblemKind = "chunk-corrupt"     // cannot be decompressed or read as tar, or a checksum differs
	ProblemChunkSwapped   ProblemKind = "chunk-swapped"     // a good chunk in another's place
	ProblemFileMissing    ProblemKind = "file-missing"      // listed by the descriptor, in no chunk
	ProblemFileExtra      ProblemKind = "file-extra"        // in a chunk, not listed by the descriptor
	ProblemFileBroken     ProblemKind = "file-broken"       // its parts do not make the whole
	ProblemETag           ProblemKind = "etag"              // the content is not what S3 took the ETag of
	ProblemObjectReplaced ProblemKind = "object-replaced"   // since the inventory was taken
	ProblemObjectVanished ProblemKind = "object-vanished"   // since the inventory was taken
	ProblemObjectNew      ProblemKind = "object-unexpected" // since the inventory was taken
)
