// Package secret keeps credentials out of logs, errors, reports and command lines.
package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

const redacted = "[redacted]"

// Value is a credential. Every way of printing or marshalling it gives "[redacted]"; only Reveal gives the text.
type Value struct{ text string }

// New wraps text.
func New(text string) Value { return Value{text} }

// Reveal returns the text, for the one place that sends it to its server.
func (v Value) Reveal() string { return v.text }

// IsZero says whether there is no credential.
func (v Value) IsZero() bool { return v.text == "" }

// String, Format, MarshalJSON and LogValue never show the text.
func (v Value) String() string { return redacted }

// Format covers %v, %+v, %#v, %s and %q alike.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON gives "[redacted]".
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue gives "[redacted]".
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// Ref says where a secret is found: "env:NAME" or "file:/path". A configuration holds references only.
type Ref string

// Check returns an error when r is neither empty nor a well-formed reference. The error never repeats r,
// which may be the secret itself.
func (r Ref) Check() error {
	kind, rest, ok := strings.Cut(string(r), ":")
	if r == "" || ok && rest != "" && (kind == "env" || kind == "file") {
		return nil
	}
	return fmt.Errorf("a secret is given by reference only: write env:NAME or file:/path")
}

// Resolve reads the secret that r refers to; the zero Ref gives the zero Value. One trailing newline of a file is
// dropped. A secret that is missing or empty is an error that names the reference.
func (r Ref) Resolve() (Value, error) {
	if err := r.Check(); err != nil || r == "" {
		return Value{}, err
	}
	kind, rest, _ := strings.Cut(string(r), ":")
	if kind == "env" {
		text := os.Getenv(rest)
		if text == "" {
			return Value{}, fmt.Errorf("secret %s: the environment variable %s is not set or is empty", r, rest)
		}
		return New(text), nil
	}
	raw, err := os.ReadFile(rest)
	if err != nil {
		return Value{}, fmt.Errorf("secret %s: %w", r, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if text == "" {
		return Value{}, fmt.Errorf("secret %s: the file is empty", r)
	}
	return New(text), nil
}
