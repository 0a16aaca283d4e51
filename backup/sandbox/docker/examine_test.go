package docker_test

import (
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/docker"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestExamine(t *testing.T) {
	servertest.Docker(t)
	examine := func(image string) sandbox.Check {
		t.Helper()
		checks, err := docker.New(docker.Options{Image: image}).(sandbox.Examiner).Examine(t.Context(), sandbox.Spec{Version: "1.38.5"})
		check(t, err)
		return checks[len(checks)-1]
	}
	if c := examine(servertest.WeaviateImage); c.Result != sandbox.Pass || c.Name != "image "+servertest.WeaviateImage {
		t.Errorf("%+v", c)
	}
	if c := examine("nobody.example/weaviate:0"); c.Result != sandbox.Unknown || c.Remedy != "docker pull nobody.example/weaviate:0" {
		t.Errorf("%+v", c)
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	if c := examine(""); c.Result != sandbox.Fail || !strings.Contains(c.Detail, "127.0.0.1:1") && !strings.Contains(c.Detail, "no Docker daemon answers") {
		t.Errorf("%+v", c)
	}
}
