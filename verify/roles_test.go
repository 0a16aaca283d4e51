package verify

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Roles and users of a real backup: what came back is the same, and each thing that is then changed on the restored side is noticed.
func TestRolesAndUsers(t *testing.T) {
	server, b := servertest.Source(t)
	source := servertest.Dial(t, server)
	do(t, source, http.MethodPost, "/schema", object{"class": "Secret", "vectorizer": "none"})
	read := func(action, kind string, scope object) object { return object{"action": action, kind: scope} }
	do(t, source, http.MethodPost, "/authz/roles", object{"name": "editor", "permissions": []object{
		read("read_data", "data", object{"collection": "Secret"}), read("update_data", "data", object{"collection": "Secret"}), read("read_collections", "collections", object{"collection": "*"}),
	}})
	do(t, source, http.MethodPost, "/authz/roles", object{"name": "auditor", "permissions": []object{read("read_roles", "roles", object{"role": "*"})}})
	var keys []string
	for _, user := range []string{"ann", "bob"} {
		var made struct{ APIKey string }
		if err := source.Do(t.Context(), http.MethodPost, "/users/db/"+user, nil, &made); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, made.APIKey)
	}
	assign := func(c *weaviate.Conn, how, user string, roles ...string) {
		do(t, c, http.MethodPost, "/authz/users/"+user+"/"+how, object{"roles": roles, "userType": "db"})
	}
	assign(source, "assign", "ann", "editor", "viewer")
	assign(source, "assign", "bob", "auditor")
	assign(source, "assign", "operator", "auditor") // from the environment
	do(t, source, http.MethodPost, "/authz/groups/team%2Fred/assign", object{"roles": []string{"auditor"}, "groupType": "oidc"})
	t.Cleanup(func() {
		for _, path := range []string{"/authz/roles/editor", "/authz/roles/auditor", "/users/db/ann", "/users/db/bob", "/users/db/new", "/schema/Secret"} {
			_ = source.Do(t.Context(), http.MethodDelete, path, nil, nil)
		}
	})
	const skew = 200 * time.Millisecond
	time.Sleep(2 * skew)
	taken := FingerprintOptions{Excluded: leftOut(t, source, "Secret")}
	before := fingerprint(t, source, taken)
	if _, err := source.CreateBackup(t.Context(), weaviate.BackupRequest{ID: "roles", Include: []string{"Secret"}}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) {
		return source.BackupStatus(t.Context(), "roles", weaviate.Location{})
	})
	end := time.Now()
	after := fingerprint(t, source, taken)
	if a, b := timeless(t, before), timeless(t, after); a != b || strings.Contains(strings.ToLower(a), "apikey") || strings.Contains(a, keys[0]) || strings.Contains(a, keys[1]) {
		t.Errorf("two fingerprints of the same roles, which hold nothing of a key: %s and %s", a, b)
	}
	var made struct{ StartedAt time.Time }
	if err := source.Do(t.Context(), http.MethodGet, "/backups/s3/roles", nil, &made); err != nil {
		t.Fatal(err)
	}
	// As in a sandbox: the environment's own user is another than the source's.
	restored := servertest.Dial(t, servertest.Weaviate(t, b, map[string]string{"AUTHENTICATION_APIKEY_USERS": "drill", "AUTHORIZATION_RBAC_ROOT_USERS": "drill"}))
	if _, err := restored.Restore(t.Context(), weaviate.RestoreRequest{ID: "roles", Roles: true, Users: true}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) {
		return restored.RestoreStatus(t.Context(), "roles", weaviate.Location{})
	})
	options := Options{Level: LevelCounts, CapturePoint: made.StartedAt, ClockSkew: skew, BackupEnd: end, Roles: true, Users: true, Included: []string{"Secret"}, Excluded: leftOut(t, source, "Secret")}
	look := func() *Result {
		r := compare(t, source, restored, options)
		if raw, err := json.Marshal(r); err != nil || strings.Contains(strings.ToLower(string(raw)), "apikey") || strings.Contains(string(raw), keys[0]) || strings.Contains(string(raw), keys[1]) {
			t.Errorf("something of a key is in the result: %s, %v", raw, err)
		}
		return r
	}
	r := look()
	if len(r.Structure) > 0 || len(r.Unknown) > 0 || *r.Access != (AccessCompared{Roles: 2, Permissions: 4, Assignments: 5, Users: 2}) {
		dump(t, r)
		t.Fatalf("equal: %+v", r.Access)
	}
	alone := options
	alone.Before, alone.After = before, after
	if r := compareAlone(t, restored, alone); len(r.Structure) > 0 || len(r.Unknown) > 0 || *r.Access != (AccessCompared{Roles: 2, Permissions: 4, Assignments: 5, Users: 2}) {
		dump(t, r)
		t.Fatalf("equal to the fingerprints: %+v", r.Access)
	}
	for _, test := range []struct {
		name         string
		damage, mend func()
		want         StructureDifference
	}{
		{"an assignment lost", func() { assign(restored, "revoke", "ann", "editor") }, func() { assign(restored, "assign", "ann", "editor") },
			StructureDifference{"assignment", "editor", "ann", "(missing)", Lost, roleRule}},
		{"an assignment of a built-in role lost", func() { assign(restored, "revoke", "ann", "viewer") }, func() { assign(restored, "assign", "ann", "viewer") },
			StructureDifference{"assignment", "viewer", "ann", "(missing)", Lost, roleRule}},
		{"an assignment too many", func() { assign(restored, "assign", "bob", "admin") }, func() { assign(restored, "revoke", "bob", "admin") },
			StructureDifference{"assignment", "admin", "(missing)", "bob", Unexpected, roleRule}},
		{"a group's assignment lost", func() {
			do(t, restored, http.MethodPost, "/authz/groups/team%2Fred/revoke", object{"roles": []string{"auditor"}, "groupType": "oidc"})
		}, func() {
			do(t, restored, http.MethodPost, "/authz/groups/team%2Fred/assign", object{"roles": []string{"auditor"}, "groupType": "oidc"})
		}, StructureDifference{"assignment", "auditor", "OIDC group team/red", "(missing)", Lost, roleRule}},
		{"a permission lost", func() {
			do(t, restored, http.MethodPost, "/authz/roles/editor/remove-permissions", object{"permissions": []object{read("update_data", "data", object{"collection": "Secret"})}})
		}, func() {
			do(t, restored, http.MethodPost, "/authz/roles/editor/add-permissions", object{"permissions": []object{read("update_data", "data", object{"collection": "Secret"})}})
		}, StructureDifference{"permission", "editor", `{"action":"update_data","data":{"collection":"Secret","object":"*","tenant":"*"}}`, "(missing)", Lost, roleRule}},
		{"a user deactivated", func() { do(t, restored, http.MethodPost, "/users/db/bob/deactivate", object{}) }, func() { do(t, restored, http.MethodPost, "/users/db/bob/activate", object{}) },
			StructureDifference{"user", "bob", "active", "deactivated", Corrupt, userRule}},
		{"a role too many", func() {
			do(t, restored, http.MethodPost, "/authz/roles", object{"name": "risen", "permissions": []object{read("read_roles", "roles", object{"role": "*"})}})
		}, func() { do(t, restored, http.MethodDelete, "/authz/roles/risen", nil) }, StructureDifference{"role", "risen", "(missing)", "present", Unexpected, roleRule}},
		{"a user too many", func() { do(t, restored, http.MethodPost, "/users/db/risen", nil) }, func() { do(t, restored, http.MethodDelete, "/users/db/risen", nil) },
			StructureDifference{"user", "risen", "(missing)", "present", Unexpected, userNotSource}},
		{"a user created on the source afterwards", func() {
			time.Sleep(2 * skew)
			do(t, source, http.MethodPost, "/users/db/new", nil)
			assign(source, "assign", "new", "editor")
		}, func() { do(t, source, http.MethodDelete, "/users/db/new", nil) }, StructureDifference{"user", "new", "present", "(missing)", Drift, userAfter}},
		{"a role lost", func() { do(t, restored, http.MethodDelete, "/authz/roles/auditor", nil) }, func() {}, StructureDifference{"role", "auditor", "present", "(missing)", Lost, roleRule}},
		{"a user lost", func() { do(t, restored, http.MethodDelete, "/users/db/bob", nil) }, func() {}, StructureDifference{"user", "bob", "present", "(missing)", Lost, userLost}},
	} {
		test.damage()
		r := look()
		byFingerprint := compareAlone(t, restored, alone)
		test.mend()
		noticed := slices.ContainsFunc(byFingerprint.Structure, func(d StructureDifference) bool {
			return d.Kind == test.want.Kind && d.Where == test.want.Where && (d.Verdict == Lost || d.Verdict == Unexpected)
		})
		if test.want.Verdict != Drift && (!noticed || byFingerprint.Outcome() != Failed) || test.want.Verdict == Drift && len(byFingerprint.Structure) > 0 {
			dump(t, byFingerprint)
			t.Errorf("%s, by the fingerprints: %s", test.name, byFingerprint.Outcome())
		}
		if !slices.Contains(r.Structure, test.want) || test.want.Verdict != Drift && r.Outcome() != Failed || test.want.Verdict == Drift && len(r.Structure) != 1 {
			dump(t, r)
			t.Errorf("%s: %s", test.name, r.Outcome())
		}
	}

	// Whoever may not see all roles is shown fewer, without a word: then nothing was compared.
	endpoint := server.Endpoints[0]
	endpoint.APIKey = secret.New(keys[1])
	scoped, err := weaviate.Dial(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer scoped.Close()
	if f := fingerprint(t, scoped, taken); !strings.Contains(f.Access.Unread, `user "bob" lacks`) || f.Access.Roles != nil || f.Access.Users != nil {
		t.Errorf("with few rights: %+v", f.Access)
	}
	if r := compare(t, scoped, restored, options); r.Access != nil || !strings.Contains(strings.Join(r.Unknown, " "), `user "bob" lacks`) {
		t.Errorf("with few rights: %+v, unknown %q", r.Access, r.Unknown)
	}
}
