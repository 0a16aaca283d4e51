package report

import (
	"fmt"

	"github.com/weaviate-drill/weaviate-drill/verify"
)

// accessLine says how much of who may do what was compared.
func accessLine(a verify.AccessCompared) string {
	return fmt.Sprintf("Compared besides: %s with %s and %s of them to users and groups, and %s of the database; their keys never are.",
		number(a.Roles, "role"), number(a.Permissions, "permission"), number(a.Assignments, "assignment"), number(a.Users, "user"))
}
