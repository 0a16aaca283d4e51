package sandbox

import (
	"maps"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Env is the Weaviate environment of one node of a sandbox, the same for every kind of sandbox: no anonymous access, one root key, no
// telemetry, nobody else's unfinished backups cleaned up, nothing vectorised, nothing that expires deleted. What depends on the place (ports, paths, cluster
// addresses) is added by the sandbox. It holds credentials: it is passed to the server and nowhere else.
func (s Spec) Env(apiKey secret.Value) map[string]string {
	modules, env := s.modules()
	maps.Copy(env, map[string]string{
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
		"AUTHENTICATION_APIKEY_ENABLED":           "true",
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS":      apiKey.Reveal(),
		"AUTHENTICATION_APIKEY_USERS":             "drill",
		// A root user from the environment survives whatever roles a restore brings.
		"AUTHORIZATION_RBAC_ENABLED":    "true",
		"AUTHORIZATION_RBAC_ROOT_USERS": "drill",
		// Without it the users of a backup are passed over.
		"AUTHENTICATION_DB_USERS_ENABLED": "true",
		// The port on which nodes talk to each other listens on every interface and else lets everyone read and write shards.
		"CLUSTER_BASIC_AUTH_USERNAME": "drill",
		"CLUSTER_BASIC_AUTH_PASSWORD": apiKey.Reveal(),
		"GO_PROFILING_DISABLE":        "true",
		"DISABLE_TELEMETRY":           "true",
		"DEFAULT_VECTORIZER_MODULE":   "none",
		"ENABLE_MODULES":              strings.Join(modules, ","),
		"BACKUP_S3_BUCKET":            s.S3.Bucket,
		"BACKUP_S3_PATH":              s.S3.Path,
		// The probe object would need a right to write and delete that a restore does not.
		"BACKUP_SKIP_ACCESS_CHECK": "true",
		"AWS_REGION":               s.S3.Region,
		"LOG_FORMAT":               "json",
		// A collection whose objects expire is refused where they are never deleted, or where the least time to live is longer than its own (adapters/repos/db/ttl/config.go
		// of Weaviate 1.38.5). So they are, but in ten years, of which a sandbox sees none.
		"OBJECTS_TTL_DELETE_SCHEDULE":     "@every 87600h",
		"OBJECTS_TTL_MINIMUM_DEFAULT_TTL": "0s",
		// A replica that came back empty would be filled again from another, and nobody would see that it was lost. To switch this off altogether
		// (ASYNC_REPLICATION_DISABLED) changes what the schema says of each collection. To put the comparisons between replicas off is not enough: the first one is made when a shard is
		// loaded (adapters/repos/db/async_replication_scheduler.go). But what is younger than this delay is not passed on.
		"ASYNC_REPLICATION_FREQUENCY":         "87600h",
		"ASYNC_REPLICATION_PROPAGATION_DELAY": "876000h",
	})
	if s.S3.Endpoint != "" {
		env["BACKUP_S3_ENDPOINT"] = s.S3.Endpoint
	}
	if s.S3.Plain {
		env["BACKUP_S3_USE_SSL"] = "false"
	}
	for name, v := range map[string]secret.Value{
		"AWS_ACCESS_KEY_ID": s.S3.AccessKeyID, "AWS_SECRET_ACCESS_KEY": s.S3.SecretAccessKey, "AWS_SESSION_TOKEN": s.S3.SessionToken,
	} {
		if !v.IsZero() {
			env[name] = v.Reveal()
		}
	}
	return env
}
