package verify

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// AccessCompared says how much of who may do what was compared, as the source has it. No key, nor anything made from one, is ever read.
type AccessCompared struct {
	Roles       int `json:"roles"` // those that are not built in
	Permissions int `json:"permissions"`
	Assignments int `json:"assignments"` // users and groups that have a role
	Users       int `json:"users"`       // of the database
}

// The reasons for verdicts on roles and users.
const (
	roleRule      = "roles carry no time, so a change made on the source after the backup looks the same: then drill a newer backup"
	userRule      = "of a user only the creation carries a time, so another change made on the source after the backup looks the same: then drill a newer backup"
	userLost      = "created on the source before the capture point, and not restored"
	userBetween   = "created on the source while the backup was made, which holds the users as they were at some instant near its end"
	userAfter     = "created on the source after the end of the backup, or within the margin before it"
	userNotSource = "restored, and not on the source; a deletion carries no time, so one that was deleted after the backup looks the same"
)

// access compares roles with what they allow and who has them, and the users of the database, as far as they were restored. What comes from a server's own environment is in no backup: its users, and whom it
// gives the role root or another that is built in.
func (c *comparison) access(ctx context.Context) error {
	if !c.Roles && !c.Users {
		return nil
	}
	var users [2]map[string]weaviate.User
	var roles [2]map[string]weaviate.Role
	for i, conn := range []*weaviate.Conn{c.source, c.restored} {
		side := [2]string{"source", "restored"}[i]
		var lack string
		var err error
		users[i], roles[i], lack, err = seen(ctx, conn, c.Roles)
		if lack != "" {
			c.unknown("roles and users were not compared: on the %s side %s", side, lack)
			return nil
		}
		if errors.Is(err, weaviate.ErrForbidden) || errors.Is(err, weaviate.ErrNotFound) {
			c.unknown("roles and users were not compared: %v", &sideError{side, err})
			return nil
		}
		if err != nil {
			return &sideError{side, err}
		}
	}
	c.result.Access = &AccessCompared{}
	if c.Users {
		c.compareUsers(users[0], users[1])
	}
	if c.Roles {
		c.compareRoles(roles[0], roles[1], users[0], users[1])
	}
	return nil
}

// seen reads the users and, when asked for, the roles of a side by name. lack says why the credentials may not see all of them; then neither is read.
func seen(ctx context.Context, conn *weaviate.Conn, withRoles bool) (users map[string]weaviate.User, roles map[string]weaviate.Role, lack string, err error) {
	needed := weaviate.SeesUsers
	if withRoles {
		needed = weaviate.SeesRoles
	}
	may, err := conn.Access(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	if lack := may.Lacks(needed); lack != "" {
		return nil, nil, lack + ", and what it may not see is left out without a word", nil
	}
	users, err = keyed(ctx, conn.Users, func(u weaviate.User) string { return u.Name })
	if err == nil && withRoles {
		roles, err = keyed(ctx, conn.Roles, func(r weaviate.Role) string { return r.Name })
	}
	return users, roles, "", err
}

func keyed[T any](ctx context.Context, list func(context.Context) ([]T, error), key func(T) string) (map[string]T, error) {
	all, err := list(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]T, len(all))
	for _, each := range all {
		out[key(each)] = each
	}
	return out, nil
}

// compareUsers compares those of the database.
func (c *comparison) compareUsers(source, restored map[string]weaviate.User) {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		a, b := source[name], restored[name]
		if a.Type != weaviate.UserOfDatabase {
			continue
		}
		c.result.Access.Users++
		switch {
		case b.Type != weaviate.UserOfDatabase:
			verdict, rule := c.judgeUser(a)
			c.differ("user", name, "present", "(missing)", verdict, rule)
		case !a.Created.Equal(b.Created):
			verdict, rule := c.judgeUser(a)
			if verdict == Lost {
				verdict, rule = Corrupt, userRule
			}
			c.differ("user", name, "created at "+stamp(a.Created.UnixMilli()), "created at "+stamp(b.Created.UnixMilli()), verdict, rule)
		case a.Active != b.Active:
			c.differ("user", name, activity(a), activity(b), Corrupt, userRule)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(restored)) {
		if restored[name].Type == weaviate.UserOfDatabase && source[name].Type != weaviate.UserOfDatabase {
			c.differ("user", name, "(missing)", "present", Unexpected, userNotSource)
		}
	}
}

// judgeUser says what it means that a user of the source did not come back as it is there.
func (c *comparison) judgeUser(u weaviate.User) (Verdict, string) {
	created := u.Created.UnixMilli()
	switch {
	case c.rules.capture == 0 || created <= c.rules.capture-c.rules.margin:
		return Lost, userLost
	case !c.BackupEnd.IsZero() && created <= c.BackupEnd.UnixMilli()-c.rules.margin:
		return Unverifiable, userBetween
	}
	return Drift, userAfter
}

func activity(u weaviate.User) string {
	if u.Active {
		return "active"
	}
	return "deactivated"
}

func (c *comparison) compareRoles(source, restored map[string]weaviate.Role, sourceUsers, restoredUsers map[string]weaviate.User) {
	if len(source) == 0 && len(restored) > 0 {
		c.note("the source does not go by roles (AUTHORIZATION_RBAC_ENABLED), so there are none to compare")
		return
	}
	// A built-in role may be given to a user of the environment by the environment too.
	fromEnvironment := func(user string) bool {
		return sourceUsers[user].Type == weaviate.UserOfEnvironment || restoredUsers[user].Type == weaviate.UserOfEnvironment
	}
	count := c.result.Access
	for _, name := range slices.Sorted(maps.Keys(source)) {
		a := source[name]
		b, there := restored[name]
		if !a.BuiltIn {
			count.Roles++
			count.Permissions += len(a.Permissions)
		}
		if !there {
			c.differ("role", name, "present", "(missing)", Lost, roleRule)
			continue
		}
		if !a.BuiltIn {
			c.compareSets("permission", name, a.Permissions, b.Permissions)
		}
		has := holders(a, fromEnvironment)
		count.Assignments += len(has)
		late := func(holder string) bool { // one that is drift brings its roles with it
			u, is := sourceUsers[holder]
			_, came := restoredUsers[holder]
			if !is || came {
				return false
			}
			verdict, _ := c.judgeUser(u)
			return verdict == Drift
		}
		c.compareSets("assignment", name, slices.DeleteFunc(has, late), holders(b, fromEnvironment))
	}
	for _, name := range slices.Sorted(maps.Keys(restored)) {
		if _, there := source[name]; !there {
			c.differ("role", name, "(missing)", "present", Unexpected, roleRule)
		}
	}
}

// holders are who has a role. A user of the database goes by the bare name, which no other begins as.
func holders(r weaviate.Role, fromEnvironment func(user string) bool) (list []string) {
	for _, u := range r.Users {
		switch {
		case u.Type == weaviate.UserOfIssuer:
			list = append(list, "OIDC user "+u.User)
		case !r.BuiltIn || !fromEnvironment(u.User):
			list = append(list, u.User)
		}
	}
	for _, g := range r.Groups {
		list = append(list, "OIDC group "+g)
	}
	return list
}

// compareSets compares what a role allows, or who has it.
func (c *comparison) compareSets(kind, role string, source, restored []string) {
	for _, each := range source {
		if !slices.Contains(restored, each) {
			c.differ(kind, role, each, "(missing)", Lost, roleRule)
		}
	}
	for _, each := range restored {
		if !slices.Contains(source, each) {
			c.differ(kind, role, "(missing)", each, Unexpected, roleRule)
		}
	}
}
