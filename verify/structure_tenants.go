package verify

import "github.com/weaviate-drill/weaviate-drill/internal/weaviate"

// The reasons for verdicts on tenants. What the backup itself says of them decides what their lack of times leaves open.
const (
	tenantUnknown   = "its activity differs; changes of it carry no time, so whether it was changed on the source after the capture point is not known"
	tenantChanged   = "its activity differs; it came back as the backup has it, so it was changed on the source after the capture point"
	tenantNotAsWas  = "its activity is not the one that the backup has"
	tenantGone      = "in the backup and restored, and not seen on the source: removed there after the capture point, or the credentials may not see it"
	tenantStranger  = "restored, and neither on the source nor in the backup"
	tenantNotSource = "restored and not on the source: removed there after the capture point, or risen from an earlier removal"
)

// captured is a tenant's activity as the backup has it. inBackup says whether it has the tenant, known whether that is known.
func (c *comparison) captured(collection, tenant string) (activity string, inBackup, known bool) {
	tenants, known := c.Captured[collection]
	activity, inBackup = tenants[tenant]
	return activity, inBackup, known
}

// judgeActivity judges a tenant whose activity is not the same on both sides.
func (c *comparison) judgeActivity(collection string, restored weaviate.Tenant) (Verdict, string) {
	was, inBackup, known := c.captured(collection, restored.Name)
	switch {
	case !known || !inBackup:
		return Unverifiable, tenantUnknown
	case state(weaviate.Tenant{Activity: was}) == state(restored):
		return Drift, tenantChanged
	}
	return Corrupt, tenantNotAsWas
}

// judgeStranger judges a tenant that only the restored side has. Of one that the backup has, nothing was compared.
func (c *comparison) judgeStranger(collection, tenant string) (Verdict, string) {
	_, inBackup, known := c.captured(collection, tenant)
	switch {
	case !known:
		return Unverifiable, tenantNotSource
	case inBackup:
		return Unverifiable, tenantGone
	}
	return Unexpected, tenantStranger
}
