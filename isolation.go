package drill

import (
	"slices"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// isolation is how bad it is when a sandbox that holds production data is not isolated: a probe's name, and the finding that it becomes. Waivers name it by its check.
var isolation = map[string]bucket.Finding{
	"anonymous-access": {
		Check: "sandbox-anonymous-access", Title: "The sandbox refuses who has no key", Severity: bucket.Critical,
		Remediation: "Delete the sandbox's namespace: something between the tool and the sandbox answers for it or adds a key.",
	},
	"pod-security": {
		Check: "sandbox-pod-security", Title: "The sandbox's namespace refuses privileged pods", Severity: bucket.High,
		Remediation: "Enable the admission plugin PodSecurity of the API server.", Reference: "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
	},
	// Not high: many clusters enforce no network policy, and a drill that fails on all of them is switched off. The report shows it all the same.
	"network-policy": {
		Check: "sandbox-network-policy", Title: "The cluster enforces network policies", Severity: bucket.Medium,
		Remediation: "Install a network plugin that enforces NetworkPolicy; on Amazon EKS set enableNetworkPolicy of the add-on vpc-cni.", Reference: "https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html",
	},
}

// isolationChecks are the ids of those findings.
func isolationChecks() (ids []string) {
	for _, f := range isolation {
		ids = append(ids, f.Check)
	}
	slices.Sort(ids)
	return ids
}

var statusOfProbe = map[sandbox.Result]bucket.Status{sandbox.Pass: bucket.Pass, sandbox.Fail: bucket.Fail, sandbox.Unknown: bucket.Unknown}

func isolationFindings(probes []sandbox.Probe) (list []bucket.Finding) {
	for _, p := range probes {
		f := isolation[p.Name]
		f.Status, f.Detail = statusOfProbe[p.Result], p.Detail
		if f.Status == bucket.Pass {
			f.Remediation = ""
		}
		list = append(list, f)
	}
	return list
}
