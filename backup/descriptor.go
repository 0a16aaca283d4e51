// Package backup is one Weaviate backup: how it is made, followed, found, checked in S3, and restored.
package backup

import (
	"fmt"
	"time"
)

// Descriptor is backup_config.json (and restore_config.json, which has the same form): what the coordinator wrote of the whole backup.
// Source: Weaviate 1.38.5, entities/backup/descriptor.go, DistributedBackupDescriptor.
type Descriptor struct {
	ID                      string                 `json:"id"`
	StartedAt               time.Time              `json:"startedAt"`   // the capture point: every write acknowledged before it is in the backup
	CompletedAt             time.Time              `json:"completedAt"` // up to 10 s late: the coordinator's polling
	Status                  string                 `json:"status"`
	Error                   string                 `json:"error"`
	Version                 string                 `json:"version"` // of the format, such as "2.1"
	ServerVersion           string                 `json:"serverVersion"`
	Leader                  string                 `json:"leader"`
	CompressionType         string                 `json:"compressionType"` // gzip, zstd, none; empty in old backups: gzip
	BaseBackupID            string                 `json:"baseBackupId"`
	Nodes                   map[string]NodeSummary `json:"nodes"`
	NodeMapping             map[string]string      `json:"node_mapping"`
	PreCompressionSizeBytes int64                  `json:"preCompressionSizeBytes"`
}

// NodeSummary is one node's line in a Descriptor.
type NodeSummary struct {
	Classes                 []string `json:"classes"`
	Status                  string   `json:"status"`
	Error                   string   `json:"error"`
	PreCompressionSizeBytes int64    `json:"preCompressionSizeBytes"`
}

// NodeDescriptor is <node>/backup.json: what one node put into the backup.
type NodeDescriptor struct {
	ID                      string            `json:"id"`
	StartedAt               time.Time         `json:"startedAt"`
	Status                  string            `json:"status"`
	Error                   string            `json:"error"`
	Version                 string            `json:"version"`
	ServerVersion           string            `json:"serverVersion"`
	CompressionType         string            `json:"compressionType"`
	BaseBackupID            string            `json:"baseBackupId"`
	Classes                 []ClassDescriptor `json:"classes"`
	PreCompressionSizeBytes int64             `json:"preCompressionSizeBytes"`
}

// ClassDescriptor is one collection of a NodeDescriptor. Shards is null on a leader that holds no data of the collection.
type ClassDescriptor struct {
	Name                    string             `json:"name"`
	Shards                  []*ShardDescriptor `json:"shards"`
	Chunks                  map[int32][]string `json:"chunks"` // chunk number to the shards in it (one, as observed)
	ShardingState           []byte             `json:"shardingState"`
	Schema                  []byte             `json:"schema"`
	Aliases                 []byte             `json:"aliases"`
	PreCompressionSizeBytes int64              `json:"preCompressionSizeBytes"`
}

// ShardDescriptor is one shard of a ClassDescriptor.
type ShardDescriptor struct {
	Name  string   `json:"name"`
	Node  string   `json:"node"`
	Files []string `json:"files"` // relative to the data folder, without sizes
	// BigFilesChunk are the files that a later incremental backup may skip.
	BigFilesChunk map[string]BigFile `json:"bigFilesChunk"`
	// Incremental are the files whose bytes lie in earlier backups of the chain, by the id of the backup that really holds them.
	Incremental struct {
		FilesPerBackup map[string][]BorrowedFile `json:"filesPerBackup"`
	} `json:"incrementalBackupInfo"`
}

// BigFile says where a big file lies. Chunk keys have the form Collection/chunk-N.
type BigFile struct {
	ChunkKeys  []string  `json:"chunkKeys"`
	Size       int64     `json:"size"`
	ModifiedAt time.Time `json:"modifiedAt"`
}

// BorrowedFile is a file whose bytes lie in an earlier backup.
type BorrowedFile struct {
	File      string   `json:"file"`
	ChunkKeys []string `json:"chunkKeys"`
}

// Object is one object in S3 as a listing gives it; recorded when a backup is made, compared when it is drilled.
type Object struct {
	Key          string    `json:"key"`
	Size         int64     `json:"size"`
	ETag         string    `json:"etag"`
	LastModified time.Time `json:"lastModified"`
	StorageClass string    `json:"storageClass,omitempty"`
}

// ProblemKind is a stable word for what is wrong with a backup's objects.
type ProblemKind string

// Problem is one thing that is wrong with a backup in S3.
type Problem struct {
	Kind       ProblemKind `json:"kind"`
	Backup     string      `json:"backup"` // id of the backup in the chain
	Node       string      `json:"node,omitempty"`
	Collection string      `json:"collection,omitempty"`
	Shard      string      `json:"shard,omitempty"`
	Key        string      `json:"key,omitempty"`
	Detail     string      `json:"detail"` // one sentence: what is wrong and what follows
}

func (p Problem) String() string {
	where := "backup " + p.Backup
	for _, part := range []struct{ name, value string }{{"node", p.Node}, {"collection", p.Collection}, {"shard", p.Shard}, {"object", p.Key}} {
		if part.value != "" {
			where += ", " + part.name + " " + part.value
		}
	}
	return fmt.Sprintf("%s: %s (%s)", where, p.Detail, p.Kind)
}
