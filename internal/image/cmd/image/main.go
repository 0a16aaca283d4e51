// Command image packs a static build of the tool into an image archive: see package image.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: image <name:tag> <binary> <archive>")
	}
	if _, err := os.Stat(image.Roots); err != nil {
		return fmt.Errorf("without CA certificates the image could speak to no S3: %w", err)
	}
	archive, err := os.Create(args[2])
	if err != nil {
		return err
	}
	return errors.Join(image.Drill(args[0], args[1]).Write(archive), archive.Close())
}
