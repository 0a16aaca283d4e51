package backup

import "time"

// CatalogueResult is what the catalogue check found: the backup and its chain as S3 lists them.
type CatalogueResult struct {
	Backups     []string  `json:"backups"`     // the chain, the backup itself first
	Collections []string  `json:"collections"` // in the backup, sorted
	Chunks      int       `json:"chunks"`      // that the descriptors name, each confirmed by a listing unless it is among Problems
	Objects     int       `json:"objects"`     // that the listings gave
	Bytes       int64     `json:"bytes"`       // as stored
	Problems    []Problem `json:"problems,omitempty"`
}

// ArchiveResult is what the archive check found: every chunk of the chain, read to its end.
type ArchiveResult struct {
	Chunks       int           `json:"chunks"`
	ETags        int           `json:"etags"`        // chunks whose ETag was computed again from their content, and is the same
	Files        int           `json:"files"`        // distinct files seen in them
	StoredBytes  int64         `json:"storedBytes"`  // read from S3
	ContentBytes int64         `json:"contentBytes"` // after decompression, of file contents
	Duration     time.Duration `json:"duration"`     // nanoseconds
	Problems     []Problem     `json:"problems,omitempty"`
}

// RestoreResult is one restore as it went.
type RestoreResult struct {
	Status      string    `json:"status"` // the server's last word
	Error       string    `json:"error,omitempty"`
	Cause       string    `json:"cause,omitempty"` // the true cause, from the server's log, when Error hides it
	From        string    `json:"from"`            // in-place or copy
	Posted      time.Time `json:"posted"`
	Noticed     time.Time `json:"noticed"`            // when the tool saw the final status
	ServerEnd   time.Time `json:"serverEnd,omitzero"` // LastModified of restore_config.json: the schema is applied
	Collections []string  `json:"collections"`
}

// CreateResult is one backup as it was made.
type CreateResult struct {
	ID           string    `json:"id"`
	Attached     bool      `json:"attached,omitempty"` // another call began it, this one followed
	Status       string    `json:"status"`             // the server's last word
	Error        string    `json:"error,omitempty"`
	Posted       time.Time `json:"posted"`                // when this call asked for it, or began to follow
	Noticed      time.Time `json:"noticed"`               // when the tool saw the final status
	CapturePoint time.Time `json:"capturePoint,omitzero"` // startedAt of backup_config.json, by the server's clock
	ReportedEnd  time.Time `json:"reportedEnd,omitzero"`  // its completedAt: up to 10 s late
	End          time.Time `json:"end,omitzero"`          // LastModified of the last node's backup.json
}
