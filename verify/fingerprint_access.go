package verify

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// FingerprintAccess is who may do what: roles, users and what each role allows. No key, nor anything made from one, is ever read.
type FingerprintAccess struct {
	Unread string            `json:"unread,omitempty"` // why nothing is known
	Roles  []FingerprintRole `json:"roles,omitempty"`  // none where the server does not go by roles
	Users  []FingerprintUser `json:"users,omitempty"`  // that the server itself manages, those of its environment too
}

// FingerprintRole is one role.
type FingerprintRole struct {
	Name        string   `json:"name"`
	BuiltIn     bool     `json:"builtIn,omitempty"`
	Permissions []string `json:"permissions,omitempty"` // canonical JSON, sorted; of a role that is built in none are kept
	Holders     []string `json:"holders,omitempty"`     // who has it; of a role that is built in, no user of the environment, which may be its giver
}

// FingerprintUser is one user.
type FingerprintUser struct {
	Name        string    `json:"name"`
	Environment bool      `json:"environment,omitempty"` // and so in no backup
	Active      bool      `json:"active,omitempty"`
	Created     time.Time `json:"created,omitzero"`
}

// takeAccess reads roles and users, where the credentials may see all of them.
func takeAccess(ctx context.Context, conn *weaviate.Conn) (*FingerprintAccess, error) {
	a := &FingerprintAccess{}
	users, roles, lack, err := seen(ctx, conn, true)
	switch {
	case errors.Is(err, weaviate.ErrForbidden), errors.Is(err, weaviate.ErrNotFound):
		a.Unread = cut(err.Error())
		return a, nil
	case err != nil:
		return nil, err
	case lack != "":
		a.Unread = lack
		return a, nil
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		u := users[name]
		kept := FingerprintUser{Name: name, Environment: u.Type != weaviate.UserOfDatabase}
		if !kept.Environment {
			kept.Active, kept.Created = u.Active, u.Created.UTC()
		}
		a.Users = append(a.Users, kept)
	}
	fromEnvironment := func(user string) bool { return users[user].Type == weaviate.UserOfEnvironment }
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		r := roles[name]
		kept := FingerprintRole{Name: name, BuiltIn: r.BuiltIn, Holders: holders(r, fromEnvironment)}
		if !r.BuiltIn {
			kept.Permissions = r.Permissions
		}
		slices.Sort(kept.Holders)
		a.Roles = append(a.Roles, kept)
	}
	return a, nil
}

// fact is one thing that is so or not: that there is a role or a user, that a role allows something, that somebody has it.
type fact struct{ kind, where, what string }

// facts lists what is known of roles, of users, or of both. Who of the environment of either side has a built-in role, that side's environment may say.
func (a *FingerprintAccess) facts(roles, users bool, environment map[string]bool) map[fact]bool {
	out := map[fact]bool{}
	for _, u := range a.Users {
		if users && !u.Environment {
			state := activity(weaviate.User{Active: u.Active}) + ", created at " + stamp(u.Created.UnixMilli())
			out[fact{"user", u.Name, "present"}], out[fact{"user", u.Name, state}] = true, true
		}
	}
	for _, r := range a.Roles {
		if !roles {
			break
		}
		out[fact{"role", r.Name, "present"}] = true
		for _, p := range r.Permissions {
			out[fact{"permission", r.Name, p}] = true
		}
		for _, h := range r.Holders {
			if !r.BuiltIn || !environment[h] {
				out[fact{"assignment", r.Name, h}] = true
			}
		}
	}
	return out
}

// accessAlone holds what was restored of roles and users against the fingerprints. A backup holds them as they were near its end, which lies between the two: what differs in these may have come back either way.
func (c *comparison) accessAlone(ctx context.Context) error {
	if !c.Roles && !c.Users {
		return nil
	}
	for _, f := range []*Fingerprint{c.past.before, c.past.after} {
		if f.Access == nil || f.Access.Unread != "" {
			reason := "the file has none"
			if f.Access != nil {
				reason = f.Access.Unread
			}
			c.unknown("roles and users were not compared: a fingerprint does not know them (%s)", reason)
			return nil
		}
	}
	restored, err := takeAccess(ctx, c.restored)
	if err != nil {
		return &sideError{"restored", err}
	}
	if restored.Unread != "" {
		c.unknown("roles and users were not compared: on the restored side %s", restored.Unread)
		return nil
	}
	environment := map[string]bool{}
	for _, a := range []*FingerprintAccess{c.past.before.Access, c.past.after.Access, restored} {
		for _, u := range a.Users {
			environment[u.Name] = environment[u.Name] || u.Environment
		}
	}
	roles := c.Roles
	if roles && len(c.past.after.Access.Roles) == 0 && len(restored.Roles) > 0 {
		c.note("the source did not go by roles (AUTHORIZATION_RBAC_ENABLED), so there are none to compare")
		roles = false
	}
	before, after, now := c.past.before.Access.facts(roles, c.Users, environment), c.past.after.Access.facts(roles, c.Users, environment), restored.facts(roles, c.Users, environment)
	c.result.Access = c.past.after.Access.compared(roles, c.Users)
	all := maps.Clone(before)
	maps.Copy(all, after)
	maps.Copy(all, now)
	order := slices.SortedFunc(maps.Keys(all), func(a, b fact) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.where, b.where), cmp.Compare(a.what, b.what))
	})
	for _, f := range order {
		whole := f.whole()
		if f != whole && (!now[whole] || !before[whole] && !after[whole]) {
			continue // that it is gone, or too many, as a whole is said
		}
		is := map[bool]string{true: f.what, false: "(missing)"}
		r := ruling{Match, ""}
		switch was := before[f]; {
		case was != after[f]:
			r = ruling{Drift, ruleAloneBetween}
		case was && !now[f]:
			r = c.past.unlessSingle(ruling{Lost, ruleAloneMissing})
		case !was && now[f]:
			r = c.past.unlessSingle(ruling{Unexpected, ruleAloneExtra})
		}
		if r.verdict != Match {
			c.differ(f.kind, f.where, is[before[f] || after[f]], is[now[f]], r.verdict, r.rule)
		}
	}
	return nil
}

// whole is the fact that there is the role or the user that a fact is about.
func (f fact) whole() fact {
	kind := "role"
	if f.kind == "user" {
		kind = "user"
	}
	return fact{kind, f.where, "present"}
}

// compared counts what there is to compare.
func (a *FingerprintAccess) compared(roles, users bool) *AccessCompared {
	n := &AccessCompared{}
	for _, r := range a.Roles {
		if !roles {
			break
		}
		n.Permissions += len(r.Permissions)
		n.Assignments += len(r.Holders)
		if !r.BuiltIn {
			n.Roles++
		}
	}
	for _, u := range a.Users {
		if users && !u.Environment {
			n.Users++
		}
	}
	return n
}
