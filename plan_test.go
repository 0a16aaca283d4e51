package drill_test

import (
	"slices"
	"strings"
	"testing"

	drill "github.com/weaviate-drill/weaviate-drill"
)

// What a plan says of IAM is held against the policies in deploy/iam, there.
func TestPlannedPermissions(t *testing.T) {
	for _, tt := range []struct {
		more     string
		has, not []string
	}{
		{"", []string{"source weaviate manage_backups collection *", "tool iam s3:DeleteObject arn:aws:s3:::backups/production/*/restore_config.json"}, []string{"kubernetes"}},
		{"backup: {id: latest}", []string{"source weaviate read_data collection *"}, []string{"manage_backups"}},
		{"restore: {from: copy}", []string{"tool iam s3:AbortMultipartUpload arn:aws:s3:::backups/weaviate-drill/*"}, []string{"production/*/restore_config.json"}},
		{"sandbox: {kind: kubernetes}", []string{
			"tool kubernetes create, get, list, delete namespaces in the cluster", "tool kubernetes create statefulsets.apps in the sandbox's namespace",
			"tool kubernetes get, update leases.coordination.k8s.io weaviate-drill in the tool's namespace",
		}, []string{"persistentvolumes", "clusterroles"}},
		{"sandbox: {kind: kubernetes, kubernetes: {cluster_role: drill-sandbox, twin: {namespace: vectors}}}", []string{
			"tool kubernetes bind clusterroles.rbac.authorization.k8s.io drill-sandbox in the cluster", "tool kubernetes get statefulsets.apps weaviate in the namespace vectors",
		}, nil},
	} {
		cfg, err := drill.ParseConfig("drill.yaml", []byte("source: {url: https://weaviate.example}\nbucket: {name: backups, path: production}\n"+tt.more))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range cfg.Plan().Permissions {
			all = append(all, strings.Join([]string{p.Where, p.System, p.Action, p.Object}, " "))
			if p.For == "" {
				t.Errorf("%s: nothing says what for", all[len(all)-1])
			}
		}
		for _, want := range tt.has {
			if !slices.Contains(all, want) {
				t.Errorf("%q lacks %q:\n%s", tt.more, want, strings.Join(all, "\n"))
			}
		}
		for _, not := range tt.not {
			if strings.Contains(strings.Join(all, "\n"), not) {
				t.Errorf("%q has %q:\n%s", tt.more, not, strings.Join(all, "\n"))
			}
		}
	}
}
