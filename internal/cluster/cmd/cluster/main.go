// Command cluster brings the Kubernetes of the tests up and down: see package cluster.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "up":
			if err := cluster.Up(ctx, os.Stderr); err != nil {
				return err
			}
			return kubeconfig()
		case "down":
			return cluster.Down()
		case "kubeconfig":
			return kubeconfig()
		case "node":
			return cluster.Node()
		}
	}
	return fmt.Errorf("usage: %s up|down|kubeconfig", os.Args[0])
}

func kubeconfig() error {
	path, err := cluster.Kubeconfig()
	if err == nil {
		fmt.Println(path)
	}
	return err
}
