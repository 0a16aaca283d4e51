package drill

import (
	"fmt"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/docker"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/external"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/process"
)

// places are the kinds of sandbox. A new kind is one line here.
var places = map[string]func(*Config) (sandbox.Sandbox, error){
	"process": func(c *Config) (sandbox.Sandbox, error) {
		return process.New(process.Options(c.Sandbox.Process)), nil
	},
	"docker": func(c *Config) (sandbox.Sandbox, error) {
		return docker.New(docker.Options(c.Sandbox.Docker)), nil
	},
	"external": func(c *Config) (sandbox.Sandbox, error) {
		endpoint, err := c.Sandbox.External.Endpoint()
		if err != nil {
			return nil, fmt.Errorf("sandbox.external: %w", err)
		}
		return external.New(endpoint), nil
	},
}

// OpenSandbox is the place to restore into that the configuration names. Nothing is started.
func (c *Config) OpenSandbox() (sandbox.Sandbox, error) {
	open, known := places[c.Sandbox.Kind]
	if !known {
		return nil, fmt.Errorf("%w: sandbox.kind %q is not known", ErrConfig, c.Sandbox.Kind)
	}
	return open(c)
}
