package backup

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Parts far smaller than those of real use; 5 MiB is the least that S3 allows.
func TestCopyInParts(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	content := make([]byte, 12<<20+17)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(content)
	key := b.Key("big", "node1", "C", "chunk-1")
	if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	listed, err := listObjects(t.Context(), b, "big")
	if err != nil {
		t.Fatal(err)
	}
	place := weaviate.Location{Bucket: b.Name, Path: "copies/drill-1"}
	to := elsewhere(b, place)
	c := copier{from: b, to: to, above: 5 << 20, part: 5 << 20, began: time.Now()}
	if err := c.copy(t.Context(), []Object{listed[key]}); err != nil {
		t.Fatal(err)
	}
	copied, err := to.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String("copies/drill-1/big/node1/C/chunk-1")})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(copied.Body); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("%d bytes, %v; or others", got.Len(), err)
	}
	if !strings.HasSuffix(aws.ToString(copied.ETag), `-3"`) {
		t.Errorf("not three parts: ETag %s", *copied.ETag)
	}

	other := listed[key]
	other.ETag = strings.Repeat("0", 32)
	if err := c.copy(t.Context(), []Object{other}); err == nil || !strings.Contains(err.Error(), "written again") {
		t.Errorf("copied though it has another ETag: %v", err)
	}
	// An upload under way that is not the drill's. (Those of a drill that died cannot be tried here: MinIO lists uploads of a whole key, not of a prefix.)
	foreign := aws.String("copies/other/x")
	if _, err := b.Client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.Name, Key: foreign}); err != nil {
		t.Fatal(err)
	}
	notes, err := CleanUp(t.Context(), b, Footprint{DrillID: "drill-1", BackupID: "big", From: ByCopy, Copy: place})
	if err != nil || len(notes) != 1 {
		t.Fatal(notes, err)
	}
	uploads, err := b.Client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.Name, Prefix: foreign})
	if err != nil || len(uploads.Uploads) != 1 {
		t.Errorf("%d unfinished uploads of somebody else, %v", len(uploads.Uploads), err)
	}
}

// A backup whose node was killed reads STARTED for ever; it must not hold up drills for ever.
func TestInterlockTakesABackupForDead(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	for id, status := range map[string]string{"good": "SUCCESS", "dead": "STARTED"} {
		content := `{"id":"` + id + `","status":"` + status + `","startedAt":"2026-01-01T00:00:00Z"}`
		if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: aws.String(b.Key(id, configObject)), Body: strings.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
	r := NewRestoration(b, &Catalogue{bucket: b, Chain: []Descriptor{{ID: "good"}}}, RestoreOptions{DrillID: "drill-1", From: InPlace})
	if err := r.Interlock(t.Context()); err == nil || !strings.Contains(err.Error(), "backup dead in ") || !strings.Contains(err.Error(), "2h0m0s") {
		t.Errorf("a backup that just began: %v", err)
	}
	r.now = func() time.Time { return time.Now().Add(deadAfter + time.Minute) }
	if err := r.Interlock(t.Context()); err != nil {
		t.Errorf("a backup that wrote nothing for longer than %s: %v", deadAfter, err)
	}
}
