package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
)

// Inventory is every object of a backup as S3 listed it when the backup was made. What it is compared with later must be the same, since Weaviate never writes to a finished backup.
type Inventory struct {
	Schema   string          `json:"schema"` // set by PutInventory
	Bucket   string          `json:"bucket"`
	Path     string          `json:"path"`
	BackupID string          `json:"backupId"`
	Taken    time.Time       `json:"taken"`
	Objects  []backup.Object `json:"objects"`
}

const inventorySchema = "weaviate-drill/inventory/v1"

// PutInventory keeps an inventory for good. It wraps ErrExists when there is one of that backup: the first is the one that counts.
func (s *Store) PutInventory(ctx context.Context, i Inventory) error {
	if err := checkID(i.BackupID); err != nil {
		return err
	}
	i.Schema = inventorySchema
	_, err := s.create(ctx, inventoryFile(i.Bucket, i.Path, i.BackupID), i)
	return err
}

// Inventory gives the inventory of a backup, nil when none was taken.
func (s *Store) Inventory(ctx context.Context, bucket, path, backupID string) (*Inventory, error) {
	if err := checkID(backupID); err != nil {
		return nil, err
	}
	file := inventoryFile(bucket, path, backupID)
	raw, err := s.place.read(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var i Inventory
	if err := json.Unmarshal(raw, &i); err != nil {
		return nil, fmt.Errorf("evidence: %s is not an inventory: %w", s.place.at(file), err)
	}
	if i.Schema != inventorySchema || i.Bucket != bucket || i.Path != path || i.BackupID != backupID {
		return nil, fmt.Errorf("evidence: %s is not the inventory of backup %s below s3://%s/%s: it holds that of %q below s3://%s/%s in form %q",
			s.place.at(file), backupID, bucket, path, i.BackupID, i.Bucket, i.Path, i.Schema)
	}
	return &i, nil
}

func inventoryFile(bucket, prefix, backupID string) string {
	return ofBackup(inventoriesDir, bucket, prefix, backupID, "")
}

// ofBackup names a file so that backups of the same id in different places are told apart. Paths can hold anything, so they enter as a digest.
func ofBackup(dir, bucket, prefix, backupID, suffix string) string {
	place := sha256.Sum256([]byte(bucket + "\x00" + prefix))
	return path.Join(dir, fmt.Sprintf("%s-%x%s%s", backupID, place[:8], suffix, extension))
}
