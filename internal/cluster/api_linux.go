package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// The name service: YAML documents, each of which says in its first line where it is posted.
//
//go:embed coredns.yaml
var coreDNS string

// api talks to the cluster's API server. Not the Kubernetes client: every test that only asks whether there is a cluster would be linked with it.
type api struct{ http.Client }

func newAPI() (*api, error) {
	ca, err := os.ReadFile(dir("lib/drill/ca.crt"))
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(dir("lib/drill/apiserver.crt"), dir("lib/drill/apiserver.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}}
	return &api{http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// do sends a YAML document, or gets what is at path if that is empty, and decodes the answer.
func (a *api) do(ctx context.Context, path, document string, answer any) error {
	method := http.MethodGet
	if document != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+apiAddress+path, strings.NewReader(document))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/yaml")
	req.Header.Set("Accept", "application/json")
	resp, err := a.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(raw))
	}
	return json.Unmarshal(raw, answer)
}

// deployDNS makes the cluster's name service.
func (a *api) deployDNS(ctx context.Context, version string) error {
	for document := range strings.SplitSeq(strings.Replace(coreDNS, "VERSION", version, 1), "---\n") {
		path, _, _ := strings.Cut(strings.TrimPrefix(document, "# "), "\n")
		if err := a.do(ctx, path, document, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// started is no error once the controller-manager has done its first work, without which no pod can be made.
func (a *api) started(ctx context.Context) error {
	return a.do(ctx, "/api/v1/namespaces/default/serviceaccounts/default", "", &struct{}{})
}

// nodeReady is no error when pods can run.
func (a *api) nodeReady(ctx context.Context) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := a.do(ctx, "/api/v1/nodes/"+NodeName, "", &node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		}
	}
	return fmt.Errorf("the node is not ready: %+v", node.Status.Conditions)
}

// dnsReady is no error when the name service answers.
func (a *api) dnsReady(ctx context.Context) error {
	var deployment struct {
		Status struct{ ReadyReplicas int }
	}
	if err := a.do(ctx, "/apis/apps/v1/namespaces/kube-system/deployments/coredns", "", &deployment); err != nil {
		return err
	}
	if deployment.Status.ReadyReplicas == 0 {
		return fmt.Errorf("the name service is not ready")
	}
	return nil
}
