// Package weaviate is one connection to one Weaviate: REST through the official client, gRPC with verified TLS,
// and the few REST calls that the official client does not have.
package weaviate

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/weaviate/weaviate-go-client/v5/weaviate"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Endpoint is where a Weaviate is and how to be let in.
type Endpoint struct {
	URL     string // REST, such as https://weaviate.example:443
	GRPC    string // host:port; TLS is used when URL is https
	APIKey  secret.Value
	OIDC    *OIDC
	CAFile  string // PEM bundle to trust besides the system's
	Headers map[string]secret.Value
}

// OIDC are client credentials, exchanged for a token at the issuer that Weaviate names (client credentials grant, RFC 6749 section 4.4).
type OIDC struct {
	ClientID     string
	ClientSecret secret.Value
	Scopes       []string
}

// Errors that callers decide on; what a Conn returns wraps them with the call and the server's own words.
var (
	ErrUnreachable   = errors.New("cannot be reached")
	ErrUnauthorized  = errors.New("credentials are not accepted (401)")
	ErrForbidden     = errors.New("permission is missing (403)")
	ErrNotFound      = errors.New("not found (404)")
	ErrUnprocessable = errors.New("refused by the server (422)")
	ErrServer        = errors.New("server error")
)

// Conn is safe for concurrent use.
type Conn struct {
	Endpoint Endpoint
	official *weaviate.Client
	http     *http.Client
	grpc     *grpc.ClientConn
	stub     pb.WeaviateClient
	tokens   oauth2.TokenSource
}

// Requests that only read are answered in seconds even on a busy server; a create or restore answers after the
// coordinator has asked every node, for which Weaviate itself allows 8 s a phase.
const requestTimeout = 60 * time.Second

// A Weaviate answer is at most this big (the server's own limit for gRPC messages, 104,858,000 bytes).
const maxMessage = 104_858_000

// Dial prepares a connection and asks once over REST (/v1/meta) and once over gRPC (its health service, as Weaviate's own Python client does), so that an
// unreachable host, a certificate that is not trusted or a refused key shows here, and not after a backup was made.
func Dial(ctx context.Context, e Endpoint) (*Conn, error) {
	base, err := url.Parse(e.URL)
	if err == nil && base.User != nil {
		return nil, fmt.Errorf("weaviate %s: the URL holds credentials: give them as API key or header, where they stay secret", base.Host)
	}
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("weaviate: %q is not an http or https URL", e.URL)
	}
	trust, err := tlsConfig(e.CAFile)
	if err != nil {
		return nil, fmt.Errorf("weaviate %s: %w", e.URL, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	transport.MaxIdleConnsPerHost = 16
	c := &Conn{Endpoint: e}
	if e.OIDC != nil {
		if c.tokens, err = oidcTokens(ctx, &http.Client{Transport: transport, Timeout: requestTimeout}, e); err != nil {
			return nil, fmt.Errorf("weaviate %s: %w", e.URL, err)
		}
	}
	// A redirect is never followed: the credentials would go wherever it points.
	c.http = &http.Client{Transport: authTransport{transport, c.authorization, e.Headers}, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	transportCredentials := insecure.NewCredentials()
	if base.Scheme == "https" {
		transportCredentials = credentials.NewTLS(trust)
	}
	c.grpc, err = grpc.NewClient("passthrough:///"+e.GRPC, grpc.WithTransportCredentials(transportCredentials),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("weaviate gRPC %s: %w", e.GRPC, err)
	}
	c.stub = pb.NewWeaviateClient(c.grpc)
	err = c.greet(ctx)
	if err == nil { // not before: it asks the server without ctx
		c.official, err = weaviate.NewClient(weaviate.Config{Host: base.Host, Scheme: base.Scheme, ConnectionClient: c.http})
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// greet asks both doors of the server.
func (c *Conn) greet(ctx context.Context) error {
	m, err := c.Meta(ctx)
	if err != nil {
		return err
	}
	if m.Version == "" {
		return fmt.Errorf("weaviate %s: %w: the answer to /v1/meta names no version; is this the address of a Weaviate?", c.Endpoint.URL, ErrServer)
	}
	return c.call(ctx, "health", func(ctx context.Context) error {
		_, err := grpc_health_v1.NewHealthClient(c.grpc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	})
}

// Close ends the gRPC connection and drops idle ones.
func (c *Conn) Close() error {
	c.http.CloseIdleConnections()
	return c.grpc.Close()
}

func tlsConfig(caFile string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("CA bundle: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA bundle %s: holds no PEM certificate", caFile)
	}
	cfg.RootCAs = pool
	return cfg, nil
}

// oidcTokens finds the issuer's token endpoint the way Weaviate's own clients do: /v1/.well-known/openid-configuration of
// the server links to the issuer's discovery document.
func oidcTokens(ctx context.Context, client *http.Client, e Endpoint) (oauth2.TokenSource, error) {
	var link struct {
		Href   string   `json:"href"`
		Scopes []string `json:"scopes"`
	}
	var issuer struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := getJSON(ctx, client, strings.TrimRight(e.URL, "/")+"/v1/.well-known/openid-configuration", &link); err != nil {
		return nil, fmt.Errorf("OIDC: the server names no issuer: %w", err)
	}
	if err := getJSON(ctx, client, link.Href, &issuer); err != nil {
		return nil, fmt.Errorf("OIDC: discovery document %s: %w", link.Href, err)
	}
	scopes := e.OIDC.Scopes
	if len(scopes) == 0 {
		scopes = link.Scopes
	}
	grant := clientcredentials.Config{ClientID: e.OIDC.ClientID, ClientSecret: e.OIDC.ClientSecret.Reveal(), TokenURL: issuer.TokenEndpoint, Scopes: scopes}
	// The token source outlives the call that made it, so it must not end with ctx.
	return grant.TokenSource(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client)), nil
}

func getJSON(ctx context.Context, client *http.Client, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}

// authorization is the value of the Authorization header, or "".
func (c *Conn) authorization() (string, error) {
	if c.tokens != nil {
		token, err := c.tokens.Token()
		if err != nil {
			return "", tokenError(err)
		}
		return "Bearer " + token.AccessToken, nil
	}
	if c.Endpoint.APIKey.IsZero() {
		return "", nil
	}
	return "Bearer " + c.Endpoint.APIKey.Reveal(), nil
}

// tokenError tells an issuer that refuses the client from one that cannot be reached. Of a refusal only the code is passed on (RFC 6749 section 5.2): the body is the issuer's, and
// may repeat what it was sent.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("OIDC token: %w", unreachable(err))
	}
	sentinel := ErrServer
	if refused.Response.StatusCode < 500 {
		sentinel = ErrUnauthorized
	}
	return fmt.Errorf("OIDC token: %w: the issuer answers %s %s", sentinel, refused.Response.Status, refused.ErrorCode)
}

type authTransport struct {
	next          http.RoundTripper
	authorization func() (string, error)
	headers       map[string]secret.Value
}

func (t authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	value, err := t.authorization()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	for name, v := range t.headers {
		req.Header.Set(name, v.Reveal())
	}
	if value != "" {
		req.Header.Set("Authorization", value)
	}
	return t.next.RoundTrip(req)
}

// outgoing puts the credentials on a gRPC call.
func (c *Conn) outgoing(ctx context.Context) (context.Context, error) {
	value, err := c.authorization()
	if err != nil {
		return nil, err
	}
	var pairs []string
	for name, v := range c.Endpoint.Headers {
		pairs = append(pairs, strings.ToLower(name), v.Reveal())
	}
	if value != "" {
		pairs = append(pairs, "authorization", value)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...), nil
}

// Do sends one REST request below /v1 and parses a JSON answer into into (which may be nil). An empty body where one was asked for is
// an error: Weaviate can answer 200 with nothing after a panic. Non-2xx answers wrap one of the errors above with the server's message.
func (c *Conn) Do(ctx context.Context, method, path string, body, into any) error {
	what := method + " " + path
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		reader = strings.NewReader(string(raw))
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Endpoint.URL, "/")+"/v1"+path, reader)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("weaviate %s: %w", what, unreachable(err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage+1))
	if err != nil {
		return fmt.Errorf("weaviate %s: read the answer: %w", what, unreachable(err))
	}
	if len(raw) > maxMessage {
		return fmt.Errorf("weaviate %s: %w: %w", what, ErrServer, errTooBig)
	}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		return fmt.Errorf("weaviate %s at %s: %w (%d): it redirects to %s: give that address, redirects are not followed", what, c.Endpoint.URL, ErrServer, resp.StatusCode, to)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("weaviate %s at %s: %w: %s", what, c.Endpoint.URL, statusError(resp.StatusCode), message(raw))
	}
	if into == nil {
		return nil
	}
	if len(raw) == 0 {
		return fmt.Errorf("weaviate %s: %w: the answer is empty", what, ErrServer)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("weaviate %s: %w: the answer is not the JSON that was expected: %v", what, ErrServer, err)
	}
	return nil
}

func statusError(code int) error {
	switch code {
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusUnprocessableEntity:
		return ErrUnprocessable
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%w (%d)", ErrUnreachable, code) // what stands before the server, or the server while it starts or is swamped
	default:
		return fmt.Errorf("%w (%d)", ErrServer, code)
	}
}

// maxWords is how many bytes of a server's own words an error repeats.
const maxWords = 2000

// message reads Weaviate's three forms of an error body. What is none of them, a proxy's page, is cut shorter.
func message(raw []byte) string {
	var e struct {
		Error   []struct{ Message string } `json:"error"`
		Message string                     `json:"message"`
	}
	if json.Unmarshal(raw, &e) == nil {
		if len(e.Error) > 0 {
			return oneLine(e.Error[0].Message, maxWords)
		}
		if e.Message != "" {
			return oneLine(e.Message, maxWords)
		}
	}
	return oneLine(string(raw), 300)
}

// oneLine makes what a server says fit for an error.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return cmp.Or(text, "(no message)")
}

// unreachable marks a failure of the network, which is neither a cancelled context nor a refused credential (each arrives in the http client's own error).
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrUnauthorized) {
		return err
	}
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}
