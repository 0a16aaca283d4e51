package weaviate_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

const (
	readerKey    = "reader-key-of-more-than-32-characters-0123456789"
	strangerKey  = "stranger-key-of-more-than-32-characters-012345678"
	clientSecret = "client-secret-of-the-identity-provider"
	headerSecret = "secret-in-a-header"
)

// wantError holds an error against a sentinel and words that must be in it; no secret may be, and no line break.
func wantError(t *testing.T, err, sentinel error, words ...string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("got %v, want %v", err, sentinel)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	for _, s := range []string{servertest.APIKey, readerKey, strangerKey, clientSecret, headerSecret, "Bearer", "\n"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("%q gives away %q", err, s)
		}
	}
}

// authority is a certificate authority of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, PEM
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, writePEM(t, "CERTIFICATE", der)}
}

// issue returns the files of a certificate for 127.0.0.1 and its key.
func (a authority) issue(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", raw)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// issuer is an identity provider that grants client credentials: discovery document, keys, and a token endpoint that signs.
func issuer(t *testing.T, clientID string) *httptest.Server {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	var server *httptest.Server
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, object{"issuer": server.URL, "token_endpoint": server.URL + "/token", "jwks_uri": server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, object{"keys": []object{{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		id, password, basic := r.BasicAuth()
		if !basic {
			id, password = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if id != clientID || password != clientSecret || r.FormValue("grant_type") != "client_credentials" {
			answer(w, 401, object{"error": "invalid_client", "error_description": "you sent " + password})
			return
		}
		header, _ := json.Marshal(object{"alg": "RS256", "typ": "JWT", "kid": "1"})
		now := time.Now().Unix()
		claims, _ := json.Marshal(object{"iss": server.URL, "aud": clientID, "sub": clientID, "iat": now, "exp": now + 300})
		signed := encode(header) + "." + encode(claims)
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Error(err)
		}
		answer(w, 200, object{"access_token": signed + "." + encode(signature), "token_type": "Bearer", "expires_in": 300})
	})
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestSecuredServer holds a connection against a Weaviate with certificates of a private authority, two API keys, one of them without any role, and an identity provider.
func TestSecuredServer(t *testing.T) {
	web, rpc := newAuthority(t, "web"), newAuthority(t, "rpc")
	const clientID = "drill-client"
	idp := issuer(t, clientID)
	cert, key := rpc.issue(t)
	server := servertest.Weaviate(t, servertest.Bucket(t, ""), map[string]string{
		"GRPC_CERT_FILE": cert, "GRPC_KEY_FILE": key,
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS": servertest.APIKey + "," + readerKey, "AUTHENTICATION_APIKEY_USERS": "operator,reader",
		"AUTHORIZATION_RBAC_ROOT_USERS": "operator," + clientID,
		"AUTHENTICATION_OIDC_ENABLED":   "true", "AUTHENTICATION_OIDC_ISSUER": idp.URL, "AUTHENTICATION_OIDC_CLIENT_ID": clientID, "AUTHENTICATION_OIDC_USERNAME_CLAIM": "sub",
		"AUTHENTICATION_OIDC_GROUPS_CLAIM": "groups",
	})
	// Weaviate stands behind an ingress that terminates TLS for REST, and terminates that of gRPC itself.
	inside, err := url.Parse(server.Endpoints[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	ingress := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(inside))
	pair, err := tls.LoadX509KeyPair(web.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	ingress.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	ingress.Config.ErrorLog = nil
	ingress.StartTLS()
	defer ingress.Close()
	endpoint := func(apiKey string, authorities ...authority) weaviate.Endpoint {
		var bundle []byte
		for _, a := range authorities {
			raw, err := os.ReadFile(a.file)
			if err != nil {
				t.Fatal(err)
			}
			bundle = append(bundle, raw...)
		}
		file := filepath.Join(t.TempDir(), "bundle.pem")
		if err := os.WriteFile(file, bundle, 0o600); err != nil {
			t.Fatal(err)
		}
		return weaviate.Endpoint{URL: ingress.URL, GRPC: server.Endpoints[0].GRPC, APIKey: secret.New(apiKey), CAFile: file}
	}
	dial := func(e weaviate.Endpoint) (*weaviate.Conn, error) {
		c, err := weaviate.Dial(t.Context(), e)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return c, err
	}

	operator, err := dial(endpoint(servertest.APIKey, web, rpc))
	if err != nil {
		t.Fatal(err)
	}
	write(t, operator, object{"class": "Thing", "vectorizer": "none", "properties": []object{{"name": "text", "dataType": []string{"text"}}}}, 200, func(i int) object {
		return object{"id": id("Thing", i), "vector": []float32{1, float32(i)}, "properties": object{"text": "x"}}
	})
	if n, err := operator.Count(t.Context(), "Thing", ""); n != 200 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}

	t.Run("certificates", func(t *testing.T) {
		_, err := dial(endpoint(servertest.APIKey, rpc))
		wantError(t, err, weaviate.ErrUnreachable, "/meta", "unknown authority")
		_, err = dial(endpoint(servertest.APIKey, web))
		wantError(t, err, weaviate.ErrUnreachable, "gRPC", server.Endpoints[0].GRPC, "unknown authority")
		e := endpoint(servertest.APIKey)
		if _, err := dial(e); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
			t.Error(err)
		}
		e.CAFile += ".missing"
		_, err = dial(e)
		wantError(t, err, os.ErrNotExist, "CA bundle")
	})
	t.Run("keys", func(t *testing.T) {
		_, err := dial(endpoint(strangerKey, web, rpc))
		wantError(t, err, weaviate.ErrUnauthorized)
		// A REST side that lets everyone in shows what gRPC answers to a wrong key.
		lenient := endpoint(strangerKey, web, rpc)
		open := httptest.NewUnstartedServer(http.HandlerFunc(meta))
		open.TLS = ingress.TLS
		open.StartTLS()
		defer open.Close()
		lenient.URL = open.URL
		c, err := dial(lenient)
		if err == nil {
			_, err = c.Count(t.Context(), "Thing", "")
		}
		wantError(t, err, weaviate.ErrUnauthorized, "gRPC")
	})
	t.Run("rights", func(t *testing.T) {
		reader, err := dial(endpoint(readerKey, web, rpc))
		if err != nil {
			t.Fatal(err)
		}
		_, err = reader.Count(t.Context(), "Thing", "")
		wantError(t, err, weaviate.ErrForbidden, "gRPC", "Thing")
		_, err = reader.Scan(weaviate.Range{Collection: "Thing"}).Next(t.Context())
		wantError(t, err, weaviate.ErrForbidden, "gRPC", "Thing")
		_, err = reader.Scan(weaviate.Range{Collection: "Thing", REST: true}).Next(t.Context())
		wantError(t, err, weaviate.ErrForbidden)
		// What may not be seen is not there: a list is filtered, without an error.
		if list, err := reader.Collections(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		do(t, operator, http.MethodPost, "/authz/roles", object{"name": "reader", "permissions": []object{
			{"action": "read_collections", "collections": object{"collection": "Thing"}}, {"action": "read_data", "data": object{"collection": "Thing", "tenant": "*"}},
		}})
		do(t, operator, http.MethodPost, "/authz/users/reader/assign", object{"roles": []string{"reader"}, "userType": "db"})
		if n, err := reader.Count(t.Context(), "Thing", ""); n != 200 || err != nil {
			t.Errorf("counted %d, %v", n, err)
		}
		if list, err := reader.Collections(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
	})
	t.Run("identity provider", func(t *testing.T) {
		e := endpoint("", web, rpc)
		e.OIDC = &weaviate.OIDC{ClientID: clientID, ClientSecret: secret.New(clientSecret)}
		c, err := dial(e)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Count(t.Context(), "Thing", ""); n != 200 || err != nil {
			t.Errorf("gRPC: counted %d, %v", n, err)
		}
		if list, err := c.Collections(t.Context()); len(list) != 1 || err != nil {
			t.Errorf("REST: %v, %v", list, err)
		}
		e.OIDC = &weaviate.OIDC{ClientID: "stranger", ClientSecret: secret.New(clientSecret)}
		_, err = dial(e)
		wantError(t, err, weaviate.ErrUnauthorized, "OIDC", "invalid_client")
	})
	t.Run("not found", func(t *testing.T) {
		_, err := operator.Object(t.Context(), "Thing", "", weaviate.Next(parse(id("Thing", 1))))
		wantError(t, err, weaviate.ErrNotFound)
		_, err = operator.Tenants(t.Context(), "Nothing")
		wantError(t, err, weaviate.ErrUnprocessable, "class not found")
		_, err = operator.Count(t.Context(), "Nothing", "")
		wantError(t, err, weaviate.ErrServer, "Nothing")
	})
	t.Run("killed in the middle of a scan", func(t *testing.T) {
		over := map[string]*weaviate.Scanner{
			"gRPC": operator.Scan(weaviate.Range{Collection: "Thing", Most: 10}), "REST": operator.Scan(weaviate.Range{Collection: "Thing", Most: 10, REST: true}),
		}
		for name, s := range over {
			if page, err := s.Next(t.Context()); err != nil || len(page) == 0 {
				t.Fatalf("%s: %d objects, %v", name, len(page), err)
			}
		}
		server.Kill()
		for _, s := range over {
			page, err := s.Next(t.Context())
			wantError(t, err, weaviate.ErrUnreachable)
			if len(page) > 0 {
				t.Errorf("%d objects from a server that is gone", len(page))
			}
		}
	})
}

func meta(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"version":"1.38.5"}`)) }

// doors opens a REST door with the given handler and a gRPC door that is healthy and answers nothing else, for what no real Weaviate can be made to do.
func doors(t *testing.T, handler http.HandlerFunc, options ...grpc.ServerOption) weaviate.Endpoint {
	t.Helper()
	rest := httptest.NewServer(handler)
	t.Cleanup(rest.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	server := grpc.NewServer(append(options, silent)...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return weaviate.Endpoint{URL: rest.URL, GRPC: listener.Addr().String(), APIKey: secret.New(servertest.APIKey), Headers: map[string]secret.Value{"X-Gateway": secret.New(headerSecret)}}
}

func TestHeadersReachBothDoors(t *testing.T) {
	sentREST, sentRPC := make(chan http.Header, 10), make(chan metadata.MD, 10)
	e := doors(t, func(w http.ResponseWriter, r *http.Request) { sentREST <- r.Header; meta(w, r) },
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			sentRPC <- md
			return next(ctx, req)
		}))
	c, err := weaviate.Dial(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rest, rpc := <-sentREST, <-sentRPC
	if rest.Get("X-Gateway") != headerSecret || rest.Get("Authorization") != "Bearer "+servertest.APIKey {
		t.Errorf("REST: %v", rest)
	}
	if got := rpc.Get("x-gateway"); len(got) != 1 || got[0] != headerSecret {
		t.Errorf("gRPC: %v", rpc)
	}
	if got := rpc.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+servertest.APIKey {
		t.Errorf("gRPC: %v", rpc)
	}
}

func TestDialTellsWhatIsWrong(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %v", r.Header)
	}))
	defer elsewhere.Close()
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	page := "<html>\n<head><title>Bad Gateway</title></head>\n</html>\n"
	for _, tt := range []struct {
		name     string
		handler  http.HandlerFunc
		sentinel error
		words    []string
	}{
		{"empty body", write(200, ""), weaviate.ErrServer, []string{"empty"}},
		{"a page with 200", write(200, page), weaviate.ErrServer, []string{"not the JSON"}},
		{"a page with 404", write(404, page), weaviate.ErrNotFound, []string{"Bad Gateway"}},
		{"a page with 502", write(502, page), weaviate.ErrUnreachable, []string{"502", "Bad Gateway"}},
		{"another service", write(200, `{"name":"other"}`), weaviate.ErrServer, []string{"a Weaviate?"}},
		{"an answer cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"version":`))
		}, weaviate.ErrUnreachable, nil},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusMovedPermanently)
		}, weaviate.ErrServer, []string{elsewhere.URL}},
		{"error in Weaviate's form", write(422, `{"error":[{"message":"said so"}]}`), weaviate.ErrUnprocessable, []string{"said so"}},
		{"error in the form of parameter validation", write(422, `{"code":606,"message":"said so"}`), weaviate.ErrUnprocessable, []string{"said so"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := weaviate.Dial(t.Context(), doors(t, tt.handler))
			wantError(t, err, tt.sentinel, tt.words...)
		})
	}
	closed := doors(t, meta)
	t.Run("gRPC port closed", func(t *testing.T) {
		e := closed
		e.GRPC = closedPort(t)
		_, err := weaviate.Dial(t.Context(), e)
		wantError(t, err, weaviate.ErrUnreachable, "gRPC", e.GRPC)
	})
	t.Run("REST port closed", func(t *testing.T) {
		e := closed
		e.URL = "http://" + closedPort(t)
		_, err := weaviate.Dial(t.Context(), e)
		wantError(t, err, weaviate.ErrUnreachable, e.URL)
	})
	for _, bad := range []string{"", "weaviate.example", "ftp://weaviate.example", "http://", "http://user:" + headerSecret + "@weaviate.example"} {
		_, err := weaviate.Dial(t.Context(), weaviate.Endpoint{URL: bad})
		if err == nil || strings.Contains(err.Error(), headerSecret) {
			t.Errorf("URL %q: %v", bad, err)
		}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestCallsEndWithTheirContext(t *testing.T) {
	var hang atomic.Bool
	c, err := weaviate.Dial(t.Context(), doors(t, func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			<-r.Context().Done()
			return
		}
		meta(w, r)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hang.Store(true)
	for name, call := range map[string]func(context.Context) error{
		"REST": func(ctx context.Context) error { _, err := c.Meta(ctx); return err },
		"gRPC": func(ctx context.Context) error { _, err := c.Count(ctx, "Thing", ""); return err },
		"scan over REST": func(ctx context.Context) error {
			_, err := c.Scan(weaviate.Range{Collection: "Thing", REST: true}).Next(ctx)
			return err
		},
		"official client": func(ctx context.Context) error { _, err := c.Tenants(ctx, "Thing"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			began := time.Now()
			if err := call(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
				t.Errorf("cancelled: %v after %s", err, time.Since(began))
			}
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began = time.Now()
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
				t.Errorf("out of time: %v after %s", err, time.Since(began))
			}
		})
	}
}
