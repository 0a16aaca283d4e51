//go:build !linux

package cluster

import (
	"context"
	"io"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
)

func Up(context.Context, io.Writer) error     { return ErrUnsupported }
func Down() error                             { return ErrUnsupported }
func Node() error                             { return ErrUnsupported }
func Kubeconfig() (string, error)             { return "", ErrNotUp }
func WeaviateImage() (string, error)          { return "", ErrUnsupported }
func Load(context.Context, image.Image) error { return ErrUnsupported }
func Restart(string) error                    { return ErrUnsupported }
