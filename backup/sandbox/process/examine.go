package process

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os/exec"
	"regexp"
	"runtime/debug"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
)

// Examine looks for the server's program, and reads in it which version it is. Without a version in spec that is left out.
func (p place) Examine(_ context.Context, spec sandbox.Spec) ([]sandbox.Check, error) {
	bin, err := p.find()
	found := sandbox.Check{Name: "the program weaviate-server", Result: sandbox.Pass, Detail: "found " + bin}
	switch {
	case err != nil:
		found.Result, found.Detail, found.Remedy = sandbox.Fail, err.Error(), "set sandbox.process.binary to a weaviate-server of version "+spec.Version
		fallthrough
	case spec.Version == "":
		return []sandbox.Check{found}, nil
	}
	version := sandbox.Check{Name: "the program is Weaviate " + spec.Version, Result: sandbox.Pass}
	switch has, err := versionOf(bin); {
	case err != nil:
		version.Result, version.Detail = sandbox.Unknown, fmt.Sprintf("what version it is, only its start will tell: %v", err)
	case has != spec.Version:
		version.Result, version.Detail, version.Err = sandbox.Fail, fmt.Sprintf("%s is Weaviate %s", bin, has), sandbox.ErrVersion
		version.Remedy = fmt.Sprintf("set sandbox.process.binary to a weaviate-server of version %s, or sandbox.version to %s to drill an upgrade", spec.Version, has)
	default:
		version.Detail = "so says its build information"
	}
	return []sandbox.Check{found, version}, nil
}

func (p place) find() (string, error) {
	if p.Binary == "" {
		return servers.Find("weaviate-server")
	}
	return exec.LookPath(p.Binary)
}

// released is the version of a module that is a release: neither (devel) nor a pseudo-version.
var released = regexp.MustCompile(`^v([0-9]+\.[0-9]+\.[0-9]+)$`)

// versionOf reads the version of the module from the program, where it was built from one; a build from a checkout names none.
func versionOf(bin string) (string, error) {
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return "", err
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if version := released.FindStringSubmatch(m.Version); version != nil && m.Path == "github.com/weaviate/weaviate" {
			return version[1], nil
		}
	}
	return "", fmt.Errorf("%s does not say which Weaviate it is", bin)
}
