package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/weaviate-drill/weaviate-drill/verify"
)

// Moment says when a fingerprint was taken, as seen from the backup that it belongs to.
type Moment string

// The moments.
const (
	Before Moment = "before"
	After  Moment = "after"
)

// PutFingerprint keeps a fingerprint of the source of a backup for good and returns where. It wraps ErrExists when there is one of that backup and moment.
func (s *Store) PutFingerprint(ctx context.Context, bucket, path, backupID string, m Moment, f *verify.Fingerprint) (where string, err error) {
	if err := checkID(backupID); err != nil {
		return "", err
	}
	file := fingerprintFile(bucket, path, backupID, m)
	where = s.place.at(file)
	raw, err := f.Encode()
	if err != nil {
		return "", fmt.Errorf("evidence: write %s: %w", where, err)
	}
	return where, s.place.create(ctx, file, raw)
}

// Fingerprints gives those of the source of a backup, nil where none was taken.
func (s *Store) Fingerprints(ctx context.Context, bucket, path, backupID string) (before, after *verify.Fingerprint, err error) {
	if err := checkID(backupID); err != nil {
		return nil, nil, err
	}
	if before, err = s.fingerprint(ctx, fingerprintFile(bucket, path, backupID, Before)); err != nil {
		return nil, nil, err
	}
	after, err = s.fingerprint(ctx, fingerprintFile(bucket, path, backupID, After))
	return before, after, err
}

func (s *Store) fingerprint(ctx context.Context, file string) (*verify.Fingerprint, error) {
	raw, err := s.place.read(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := verify.ParseFingerprint(raw)
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", s.place.at(file), err)
	}
	return f, nil
}

func fingerprintFile(bucket, prefix, backupID string, m Moment) string {
	return ofBackup(fingerprintsDir, bucket, prefix, backupID, "-"+string(m))
}
