package evidence_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestFingerprintsAreFoundByBackup(t *testing.T) {
	dir := t.TempDir()
	folder, err := evidence.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	inBucket, err := evidence.OpenS3(t.Context(), servertest.Bucket(t, "evidence"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	for what, s := range map[string]*evidence.Store{"folder": folder, "bucket": inBucket} {
		t.Run(what, func(t *testing.T) {
			put := func(bucket, id string, m evidence.Moment, began time.Time) (string, error) {
				return s.PutFingerprint(t.Context(), bucket, "prod", id, m, &verify.Fingerprint{Schema: verify.FingerprintSchema, Began: began, Ended: began})
			}
			for i, m := range []evidence.Moment{evidence.Before, evidence.After} {
				if where, err := put("backups", "nightly", m, at.Add(time.Duration(i)*time.Hour)); err != nil || where == "" {
					t.Fatal(where, err)
				}
			}
			if _, err := put("backups", "nightly", evidence.Before, at); !errors.Is(err, evidence.ErrExists) {
				t.Errorf("a second one: %v", err)
			}
			if _, err := put("backups", "../x", evidence.Before, at); err == nil {
				t.Error("an id that is a path is taken")
			}
			if _, err := put("other", "nightly", evidence.Before, at.Add(-time.Hour)); err != nil {
				t.Error("the same id in another bucket:", err)
			}
			before, after, err := s.Fingerprints(t.Context(), "backups", "prod", "nightly")
			if err != nil || !before.Began.Equal(at) || !after.Began.Equal(at.Add(time.Hour)) {
				t.Errorf("%+v, %+v, %v", before, after, err)
			}
			if before, after, err := s.Fingerprints(t.Context(), "backups", "prod", "weekly"); before != nil || after != nil || err != nil {
				t.Errorf("of another backup: %+v, %+v, %v", before, after, err)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "fingerprints", "nightly-*-after.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := folder.Fingerprints(t.Context(), "backups", "prod", "nightly"); !errors.Is(err, verify.ErrFingerprint) {
		t.Error("a file that is none:", err)
	}
}
