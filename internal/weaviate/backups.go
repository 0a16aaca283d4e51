package weaviate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/weaviate/weaviate-go-client/v5/weaviate/fault"
	"github.com/weaviate/weaviate/entities/models"
)

// Location overrides where a backup lies; the zero value is the server's own BACKUP_S3_BUCKET and BACKUP_S3_PATH.
type Location struct {
	Bucket string `json:"bucket,omitempty"`
	Path   string `json:"path,omitempty"`
}

// BackupStatus is the server's word on a backup or a restore. Its times are coarse: the coordinator looks after 2 s and then every 10 s.
type BackupStatus struct {
	ID          string   `json:"id"`
	Path        string   `json:"path"`
	Status      string   `json:"status"` // STARTED, TRANSFERRING, TRANSFERRED, FINALIZING, SUCCESS, FAILED, CANCELED, CANCELLING
	Error       string   `json:"error"`
	Size        float64  `json:"size"`    // GiB before compression, set at the end
	Collections []string `json:"classes"` // only in the answer that starts a backup or a restore, in no order
}

// Done says whether the status is final.
func (s BackupStatus) Done() bool { return Final(s.Status) }

// Final says whether nothing follows a status.
func Final(status string) bool {
	return status == "SUCCESS" || status == "FAILED" || status == "CANCELED"
}

// BackupRequest asks for a new backup. Include and Exclude exclude each other.
type BackupRequest struct {
	ID               string
	Include, Exclude []string
	Location         Location
	CPUPercentage    int    // 1 to 80; 0 leaves the server's default
	CompressionLevel string // one of Weaviate's names, such as ZstdBestSpeed; "" leaves the server's default
	IncrementalBase  string // id of the backup to build on, or ""
}

const backend = "/backups/s3"

// CreateBackup starts a backup and returns the server's first answer.
func (c *Conn) CreateBackup(ctx context.Context, r BackupRequest) (BackupStatus, error) {
	cfg := &models.BackupConfig{Bucket: r.Location.Bucket, Path: r.Location.Path, CPUPercentage: int64(r.CPUPercentage), CompressionLevel: r.CompressionLevel}
	creator := c.official.Backup().Creator().WithBackend("s3").WithBackupID(r.ID).WithConfig(cfg)
	if len(r.Include) > 0 {
		creator.WithIncludeClassNames(r.Include...)
	}
	if len(r.Exclude) > 0 {
		creator.WithExcludeClassNames(r.Exclude...)
	}
	if r.IncrementalBase != "" {
		creator.WithIncrementalBaseBackupID(r.IncrementalBase)
	}
	answer, err := creator.Do(ctx)
	if err != nil {
		return BackupStatus{}, fmt.Errorf("weaviate: create backup %s: %w", r.ID, official(err))
	}
	status := BackupStatus{ID: answer.ID, Path: answer.Path, Error: answer.Error, Collections: answer.Classes}
	if answer.Status != nil {
		status.Status = *answer.Status
	}
	if status.Status == "" {
		return status, fmt.Errorf("weaviate: create backup %s: %w: the answer has no status", r.ID, ErrServer)
	}
	return status, nil
}

// BackupStatus asks how a backup stands. The official client cannot pass a location, hence the call of our own (and of the next ones).
func (c *Conn) BackupStatus(ctx context.Context, id string, l Location) (BackupStatus, error) {
	var s BackupStatus
	err := c.Do(ctx, http.MethodGet, backend+"/"+url.PathEscape(id)+l.query(), nil, &s)
	return s, err
}

// CancelBackup asks the server to stop a backup. It answers without error for an unknown id too.
func (c *Conn) CancelBackup(ctx context.Context, id string, l Location) error {
	return c.Do(ctx, http.MethodDelete, backend+"/"+url.PathEscape(id)+l.query(), nil, nil)
}

// RestoreRequest asks for a restore into this, empty, Weaviate.
type RestoreRequest struct {
	ID               string
	Include, Exclude []string
	Location         Location
	NodeMapping      map[string]string // old node name to new; nil when the names are the same
	CPUPercentage    int
	Roles, Users     bool // bring back those of the backup, which replace all that are there
}

// Restore starts a restore. Only a parsed answer with status STARTED is a start: a panicking handler answers 200 with an empty body.
func (c *Conn) Restore(ctx context.Context, r RestoreRequest) (BackupStatus, error) {
	config := map[string]any{}
	if r.Location.Bucket != "" {
		config["Bucket"] = r.Location.Bucket
	}
	if r.Location.Path != "" {
		config["Path"] = r.Location.Path
	}
	if r.CPUPercentage > 0 {
		config["CPUPercentage"] = r.CPUPercentage
	}
	if r.Roles {
		config["rolesOptions"] = "all"
	}
	if r.Users {
		config["usersOptions"] = "all"
	}
	body := map[string]any{"config": config}
	if len(r.Include) > 0 {
		body["include"] = r.Include
	}
	if len(r.Exclude) > 0 {
		body["exclude"] = r.Exclude
	}
	if len(r.NodeMapping) > 0 {
		body["node_mapping"] = r.NodeMapping
	}
	var s BackupStatus
	if err := c.Do(ctx, http.MethodPost, backend+"/"+url.PathEscape(r.ID)+"/restore", body, &s); err != nil {
		return s, err
	}
	if s.Status != "STARTED" {
		return s, fmt.Errorf("weaviate: restore of %s: %w: answered %q instead of STARTED", r.ID, ErrServer, s.Status)
	}
	return s, nil
}

// RestoreStatus asks how a restore stands. The answer comes from restore_config.json in the bucket and may be an earlier restore's.
func (c *Conn) RestoreStatus(ctx context.Context, id string, l Location) (BackupStatus, error) {
	var s BackupStatus
	err := c.Do(ctx, http.MethodGet, backend+"/"+url.PathEscape(id)+"/restore"+l.query(), nil, &s)
	return s, err
}

// CancelRestore asks the server to stop a restore; refused from FINALIZING on.
func (c *Conn) CancelRestore(ctx context.Context, id string, l Location) error {
	return c.Do(ctx, http.MethodDelete, backend+"/"+url.PathEscape(id)+"/restore"+l.query(), nil, nil)
}

func (l Location) query() string {
	q := url.Values{}
	if l.Bucket != "" {
		q.Set("bucket", l.Bucket)
	}
	if l.Path != "" {
		q.Set("path", l.Path)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// official translates an error of the official client into ours.
func official(err error) error {
	var f *fault.WeaviateClientError
	if errors.As(err, &f) {
		if f.StatusCode > 0 {
			return fmt.Errorf("%w: %s", statusError(f.StatusCode), message([]byte(f.Msg)))
		}
		if f.DerivedFromError != nil {
			err = f.DerivedFromError
		}
	}
	err = unreachable(err)
	if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnauthorized) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrServer, err) // the answer is not the JSON that was expected
}
