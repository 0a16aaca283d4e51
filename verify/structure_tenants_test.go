package verify

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Tenants of a real backup whose activity was changed on either side since. What the backup says of them tells which.
func TestTenantsOfABackup(t *testing.T) {
	server, b := servertest.Source(t)
	source := servertest.Dial(t, server)
	do(t, source, http.MethodPost, "/schema", object{"class": "Room", "vectorizer": "none", "multiTenancyConfig": object{"enabled": true}, "properties": []object{{"name": "text", "dataType": []string{"text"}}}})
	t.Cleanup(func() { do(t, source, http.MethodDelete, "/schema/Room", nil) })
	captured := map[string]string{"same": "HOT", "cooled": "HOT", "heated": "COLD", "wrong": "HOT", "hollow": "HOT", "gone": "HOT"}
	put := func(c *weaviate.Conn, name, activity string) {
		do(t, c, http.MethodPut, "/schema/Room/tenants", []object{{"name": name, "activityStatus": activity}})
	}
	for _, name := range slices.Sorted(maps.Keys(captured)) {
		do(t, source, http.MethodPost, "/schema/Room/tenants", []object{{"name": name}})
		if name != "hollow" {
			batch(t, source, []object{{"class": "Room", "tenant": name, "id": id(name, 1), "properties": object{"text": "x"}}})
		}
	}
	put(source, "heated", "COLD")
	const skew = 200 * time.Millisecond
	time.Sleep(2 * skew)
	if _, err := source.CreateBackup(t.Context(), weaviate.BackupRequest{ID: "tenants", Include: []string{"Room"}}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) {
		return source.BackupStatus(t.Context(), "tenants", weaviate.Location{})
	})
	var made struct{ StartedAt time.Time }
	if err := source.Do(t.Context(), http.MethodGet, "/backups/s3/tenants", nil, &made); err != nil {
		t.Fatal(err)
	}
	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "tenants")
	options := Options{CapturePoint: made.StartedAt, ClockSkew: skew, Included: []string{"Room"}, Excluded: leftOut(t, source, "Room"), Captured: map[string]map[string]string{"Room": captured}}

	put(source, "cooled", "COLD")
	put(source, "heated", "HOT")
	do(t, source, http.MethodDelete, "/schema/Room/tenants", []string{"gone"})
	do(t, source, http.MethodPost, "/schema/Room/tenants", []object{{"name": "young"}})
	put(restored, "wrong", "COLD")
	do(t, restored, http.MethodDelete, "/schema/Room/tenants", []string{"hollow"})
	do(t, restored, http.MethodPost, "/schema/Room/tenants", []object{{"name": "stranger"}})
	r := compare(t, source, restored, options)
	want := []StructureDifference{
		{"tenant", "Room/cooled", "COLD", "HOT", Drift, tenantChanged},
		{"tenant", "Room/gone", "(missing)", "HOT", Unverifiable, tenantGone},
		{"tenant", "Room/heated", "HOT", "COLD", Drift, tenantChanged},
		{"tenant", "Room/hollow", "0 objects", "(missing)", Lost, "in the backup, and not restored; no object of it tells when it was made"},
		{"tenant", "Room/stranger", "(missing)", "HOT", Unexpected, tenantStranger},
		{"tenant", "Room/wrong", "HOT", "COLD", Corrupt, tenantNotAsWas},
		{"tenant", "Room/young", "0 objects", "(missing)", Unverifiable, "on the source, and not restored; no object of it tells when it was made"},
	}
	if !slices.Equal(r.Structure, want) || r.Verdicts != (Verdicts{Match: 3}) {
		dump(t, r)
		t.Error("not as it was done")
	}

	// Without the backup's own word nothing decides.
	options.Captured = nil
	r = compare(t, source, restored, options)
	for _, name := range []string{"cooled", "gone", "hollow", "stranger"} {
		if d := r.structureAt("Room/" + name); d.Verdict != Unverifiable {
			t.Errorf("%+v", d)
		}
	}
}
