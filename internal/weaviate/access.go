package weaviate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
)

// Access is what the server lets the credentials in use do.
type Access struct {
	User string // empty for who has no credentials
	// Controlled: the server goes by roles. Else whoever is let in may do everything, which Permissions then do not say.
	Controlled  bool
	Permissions []Permission // of all roles
}

// Permission is one of a role, in the server's own form.
type Permission struct {
	Action      string `json:"action"` // such as read_data
	Backups     *Scope `json:"backups,omitempty"`
	Collections *Scope `json:"collections,omitempty"`
	Data        *Scope `json:"data,omitempty"`
	Tenants     *Scope `json:"tenants,omitempty"`
	Aliases     *Scope `json:"aliases,omitempty"`
	Nodes       *Scope `json:"nodes,omitempty"`
	Roles       *Scope `json:"roles,omitempty"`
	Users       *Scope `json:"users,omitempty"`
	Groups      *Scope `json:"groups,omitempty"`
}

// Scope is what a Permission is limited to. In a name * stands for any characters; one that is empty does not limit it.
type Scope struct {
	Collection string `json:"collection,omitempty"`
	Tenant     string `json:"tenant,omitempty"`
	Object     string `json:"object,omitempty"`
	Alias      string `json:"alias,omitempty"`
	Verbosity  string `json:"verbosity,omitempty"` // of the list of nodes: minimal or verbose
	Role       string `json:"role,omitempty"`
	Of         string `json:"scope,omitempty"` // which roles: all, or match for those whose permissions one has oneself
	Users      string `json:"users,omitempty"`
	Group      string `json:"group,omitempty"`
}

func (p Permission) scope() Scope {
	for _, s := range []*Scope{p.Backups, p.Collections, p.Data, p.Tenants, p.Aliases, p.Nodes, p.Roles, p.Users, p.Groups} {
		if s != nil {
			return *s
		}
	}
	return Scope{}
}

// Allows says whether a permission covers what is needed. A need may be a pattern itself: "Art*" covers "Article*", and only "*" covers "*".
func (a Access) Allows(need Permission) bool {
	if !a.Controlled {
		return true
	}
	want := need.scope()
	return slices.ContainsFunc(a.Permissions, func(p Permission) bool {
		has := p.scope()
		return p.Action == need.Action && covers(has.Collection, want.Collection) && covers(has.Tenant, want.Tenant) && covers(has.Object, want.Object) &&
			covers(has.Alias, want.Alias) && covers(has.Verbosity, want.Verbosity) && covers(has.Role, want.Role) && covers(has.Of, want.Of) && covers(has.Users, want.Users) && covers(has.Group, want.Group)
	})
}

// covers takes the * of what is wanted for a character: only a * of pattern can stand for it, and that one stands for whatever it does.
func covers(pattern, want string) bool {
	ok, err := path.Match(pattern, want)
	return pattern == "" || ok && err == nil
}

// Access asks the server. It wraps ErrNotFound where the server is too old to tell (before 1.30).
func (c *Conn) Access(ctx context.Context) (Access, error) {
	var self struct {
		Username string
		Roles    []struct{ Permissions []Permission }
	}
	err := c.Do(ctx, http.MethodGet, "/users/own-info", nil, &self)
	if err != nil && !errors.Is(err, ErrUnauthorized) { // which is what anonymous access is told
		return Access{}, err
	}
	a := Access{User: self.Username, Controlled: true}
	for _, r := range self.Roles {
		a.Permissions = append(a.Permissions, r.Permissions...)
	}
	if len(self.Roles) > 0 {
		return a, nil
	}
	// Nobody has a role where there is no role-based access control, and somebody may have none where there is. The plain list of nodes is not filtered but refused.
	err = c.Do(ctx, http.MethodGet, "/nodes", nil, nil)
	if err != nil && !errors.Is(err, ErrForbidden) {
		return Access{}, err
	}
	a.Controlled = err != nil
	return a, nil
}

// Anonymous says whether the server answers requests without credentials.
func (c *Conn) Anonymous(ctx context.Context) (bool, error) {
	bare := *c.http
	if t, ok := bare.Transport.(authTransport); ok {
		bare.Transport = t.next
	}
	stranger := &Conn{Endpoint: Endpoint{URL: c.Endpoint.URL}, http: &bare}
	err := stranger.Do(ctx, http.MethodGet, "/meta", nil, nil)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrUnauthorized), errors.Is(err, ErrForbidden):
		return false, nil
	}
	return false, fmt.Errorf("without credentials: %w", err)
}
