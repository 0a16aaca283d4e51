package weaviate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Role is one of a Weaviate that goes by roles.
type Role struct {
	Name string
	// BuiltIn roles come with the server: nobody can change what they allow, and it differs between versions.
	BuiltIn     bool
	Permissions []string     // canonical JSON, sorted
	Users       []Assignment // who has it, sorted
	Groups      []string     // OIDC groups that have it, sorted
}

// Assignment is a user who has a role.
type Assignment struct {
	User string `json:"userId"`
	Type string `json:"userType"` // UserOfDatabase, UserOfEnvironment or UserOfIssuer
}

// The kinds of users.
const (
	UserOfDatabase    = "db_user"
	UserOfEnvironment = "db_env_user" // from the server's environment, and in no backup
	UserOfIssuer      = "oidc"
)

// User is one that the server itself manages. Its key is never asked for, nor any part of it.
type User struct {
	Name    string    `json:"userId"`
	Type    string    `json:"dbUserType"` // UserOfDatabase or UserOfEnvironment
	Active  bool      `json:"active"`
	Created time.Time `json:"createdAt"`
}

var builtIn = []string{"admin", "read-only", "root", "viewer"}

// Roles lists all roles by name, with who has them; none where the server does not go by roles, and only those that the credentials may see, without a word: see SeesRoles.
func (c *Conn) Roles(ctx context.Context) ([]Role, error) {
	var list []struct {
		Name        string
		Permissions []any
	}
	if err := c.Do(ctx, http.MethodGet, "/authz/roles", nil, &list); err != nil {
		return nil, err
	}
	roles := make([]Role, len(list))
	for i, each := range list {
		r := Role{Name: each.Name, BuiltIn: slices.Contains(builtIn, each.Name)}
		for _, p := range each.Permissions {
			raw, err := json.Marshal(p) // keys sorted
			if err != nil {
				return nil, err
			}
			r.Permissions = append(r.Permissions, string(raw))
		}
		slices.Sort(r.Permissions)
		if r.Name == "root" { // given by the environment alone, and who has it only a root user is told
			roles[i] = r
			continue
		}
		path := "/authz/roles/" + url.PathEscape(r.Name)
		if err := c.Do(ctx, http.MethodGet, path+"/user-assignments", nil, &r.Users); err != nil {
			return nil, err
		}
		slices.SortFunc(r.Users, func(a, b Assignment) int { return slices.Compare([]string{a.User, a.Type}, []string{b.User, b.Type}) })
		var groups []struct{ GroupID string }
		if err := c.Do(ctx, http.MethodGet, path+"/group-assignments", nil, &groups); err != nil && !errors.Is(err, ErrNotFound) { // which is what a server from before 1.33 says
			return nil, err
		}
		for _, g := range groups {
			r.Groups = append(r.Groups, g.GroupID)
		}
		slices.Sort(r.Groups)
		roles[i] = r
	}
	slices.SortFunc(roles, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return roles, nil
}

// Users lists the users that the server itself manages, by name; none where it manages none, and only those that the credentials may see.
func (c *Conn) Users(ctx context.Context) ([]User, error) {
	var list []User
	if err := c.Do(ctx, http.MethodGet, "/users/db", nil, &list); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// SeesRoles and SeesUsers are what the credentials must be allowed so that Roles and Users leave nothing out.
var (
	SeesRoles = []Permission{{Action: "read_roles", Roles: &Scope{Role: "*", Of: "all"}}, {Action: "read_users", Users: &Scope{Users: "*"}}, {Action: "read_groups", Groups: &Scope{Group: "*"}}}
	SeesUsers = []Permission{{Action: "read_users", Users: &Scope{Users: "*"}}}
)

// Lacks says what of the needed permissions the credentials lack, "" when they have all.
func (a Access) Lacks(needed []Permission) string {
	for _, p := range needed {
		if !a.Allows(p) {
			return fmt.Sprintf("user %q lacks %s on all", a.User, p.Action)
		}
	}
	return ""
}
