package docker

import (
	"cmp"
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// Examine asks the daemon whether it is there and has the image. When neither spec nor the configuration says which image, that is left out.
func (p place) Examine(ctx context.Context, spec sandbox.Spec) ([]sandbox.Check, error) {
	daemon := sandbox.Check{Name: "a Docker daemon", Result: sandbox.Pass}
	provider, err := dial(ctx)
	if err != nil {
		daemon.Result, daemon.Detail, daemon.Remedy = sandbox.Fail, err.Error(), "start a Docker daemon on this machine, or let the user of the tool use it"
		return []sandbox.Check{daemon}, nil
	}
	defer func() { _ = provider.Close() }()
	daemon.Detail = "answers at " + provider.Client().DaemonHost()
	if p.Image == "" && spec.Version == "" {
		return []sandbox.Check{daemon}, nil
	}
	name := cmp.Or(p.Image, "semitechnologies/weaviate:"+spec.Version)
	image := sandbox.Check{Name: "image " + name, Result: sandbox.Pass, Detail: "is on this machine"}
	_, err = provider.Client().ImageInspect(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		image.Result, image.Detail, image.Remedy = sandbox.Unknown, "is not on this machine, and whether it can be pulled was not tried", "docker pull "+name
	case err != nil:
		image.Result, image.Detail = sandbox.Unknown, fmt.Sprintf("not known: %v", err)
	}
	return []sandbox.Check{daemon, image}, nil
}
