package verify

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// A chain of a full backup and two incremental ones, with objects added, updated and deleted between them, and a collection that only the last one has. The last one is restored, once as a whole and once in part.
func TestIncrementalChain(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	// Segments that are never merged are what an incremental backup can borrow.
	source := servertest.Dial(t, servertest.Weaviate(t, b, map[string]string{"PERSISTENCE_LSM_MAX_SEGMENT_SIZE": "1KiB"}))
	class := func(name string) object {
		return object{"class": name, "vectorizer": "none", "properties": []object{{"name": "text", "dataType": []string{"text"}}}}
	}
	r := rand.New(rand.NewPCG(3, 4))
	// Big enough that a segment of theirs is worth a chunk of its own, from 1 MiB on.
	long := strings.Repeat("what a long text this is, and nobody reads it; ", 40)
	write := func(collection string, from, to int, text string) {
		var all []object
		for i := from; i < to; i++ {
			all = append(all, object{"class": collection, "id": id(collection, i), "vector": floats(r, 32), "properties": object{"text": fmt.Sprint(text, " ", i, " ", long)}})
		}
		batch(t, source, all)
	}
	remove := func(collection string, from, to int) {
		for i := from; i < to; i++ {
			do(t, source, http.MethodDelete, "/objects/"+collection+"/"+id(collection, i), nil)
		}
	}
	backUp := func(id, base string) time.Time {
		time.Sleep(2 * time.Second) // the log of the vector index is written behind
		if _, err := source.CreateBackup(t.Context(), weaviate.BackupRequest{ID: id, IncrementalBase: base}); err != nil {
			t.Fatal(err)
		}
		await(t, func() (weaviate.BackupStatus, error) {
			return source.BackupStatus(t.Context(), id, weaviate.Location{})
		})
		var made struct{ StartedAt time.Time }
		if err := source.Do(t.Context(), http.MethodGet, "/backups/s3/"+id, nil, &made); err != nil {
			t.Fatal(err)
		}
		return made.StartedAt
	}
	for _, name := range []string{"Book", "Shelf"} {
		do(t, source, http.MethodPost, "/schema", class(name))
	}
	write("Book", 0, 800, "first")
	write("Shelf", 0, 50, "first")
	backUp("full", "")
	write("Book", 800, 1400, "second")
	write("Book", 0, 40, "updated")
	remove("Book", 40, 80)
	backUp("one", "full")
	remove("Book", 0, 20)
	write("Book", 60, 70, "back again")
	write("Book", 850, 860, "updated twice")
	do(t, source, http.MethodPost, "/schema", class("Young"))
	write("Young", 0, 10, "third")
	captured := backUp("two", "one")

	key := b.Key("two", "node1", "backup.json")
	stored, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := io.ReadAll(stored.Body)
	if err != nil || !strings.Contains(string(descriptor), `"full":[{`) || !strings.Contains(string(descriptor), `"one":[{`) {
		t.Fatalf("the last backup does not borrow from both others, so this tests no chain (%v)", err)
	}

	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "two")
	all := []string{"Book", "Shelf", "Young"}
	options := Options{CapturePoint: captured, ClockSkew: 200 * time.Millisecond, Included: all}
	t.Run("as a whole", func(t *testing.T) {
		r := compare(t, source, restored, options)
		if r.Outcome() != Passed || r.Verdicts != (Verdicts{Match: 1350 + 50 + 10}) || len(r.Structure) > 0 {
			dump(t, r)
			t.Errorf("%s, %+v", r.Outcome(), r.Collections)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		// What an older link of the chain would have brought: an object that was deleted, one as it was before its update, and one missing that came back.
		old := object{"class": "Book", "vector": floats(r, 32), "properties": object{"text": "first"}}
		old["id"] = id("Book", 5)
		batch(t, restored, []object{old})
		batch(t, restored, []object{{"class": "Book", "id": id("Book", 30), "vector": floats(r, 32), "properties": object{"text": "first"}}})
		do(t, restored, http.MethodDelete, "/objects/Book/"+id("Book", 65), nil)
		r := compare(t, source, restored, options)
		if r.find(id("Book", 5)).Verdict != Unexpected || r.find(id("Book", 30)).Verdict != Corrupt || r.find(id("Book", 65)).Verdict != Lost || r.Verdicts.Match != 1348+60 {
			dump(t, r)
			t.Errorf("%s", r.Outcome())
		}
	})
	part := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	if _, err := part.Restore(t.Context(), weaviate.RestoreRequest{ID: "two", Include: []string{"Book", "Young"}}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) {
		return part.RestoreStatus(t.Context(), "two", weaviate.Location{})
	})
	options.Included, options.Excluded = []string{"Book", "Young"}, []string{"Shelf"}
	t.Run("in part", func(t *testing.T) {
		r := compare(t, source, part, options)
		if r.Outcome() != Passed || r.Verdicts != (Verdicts{Match: 1350 + 10}) || len(r.Structure) > 0 || !strings.Contains(strings.Join(r.Notes, " "), "collection Shelf was left out on purpose") {
			dump(t, r)
			t.Errorf("%s, %+v", r.Outcome(), r.Collections)
		}
	})
	t.Run("more than the part", func(t *testing.T) {
		do(t, part, http.MethodPost, "/schema", class("Shelf"))
		do(t, part, http.MethodPost, "/schema", class("Stranger"))
		do(t, source, http.MethodPost, "/schema", class("Stranger"))
		r := compare(t, source, part, options)
		if r.Outcome() != Failed || r.structureAt("Shelf").Verdict != Unexpected || r.structureAt("Stranger").Verdict != Unexpected {
			dump(t, r)
			t.Errorf("%s", r.Outcome())
		}
	})
	t.Run("less than the part", func(t *testing.T) {
		do(t, part, http.MethodDelete, "/schema/Young", nil)
		if r := compare(t, source, part, options); r.structureAt("Young").Verdict != Lost {
			dump(t, r)
			t.Error("a collection that was to be restored and was not is not lost")
		}
	})
}
