# weaviate-drill. "make help" lists the targets.
GO      ?= go
BIN     := bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/weaviate-drill
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/weaviate-drill ./cmd/weaviate-drill

.PHONY: image
image: build ## pack bin/weaviate-drill into bin/weaviate-drill-image.tar, for "docker load" or "ctr images import"
	$(GO) run ./internal/image/cmd/image weaviate-drill:$(VERSION) $(BIN)/weaviate-drill $(BIN)/weaviate-drill-image.tar

.PHONY: servers
servers: $(BIN)/weaviate-server $(BIN)/weaviate-server-next $(BIN)/minio ## build the real Weaviate, a newer one, and the S3 server that the demo and the tests run

# Each server is a tool of a Go module of its own, and is built again only when that module changes.
$(BIN)/weaviate-server: testdata/servers/weaviate/go.mod testdata/servers/weaviate/go.sum
	@echo "building Weaviate, which takes some minutes the first time"
	@cd testdata/servers/weaviate && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/weaviate/weaviate/cmd/weaviate-server

$(BIN)/weaviate-server-next: testdata/servers/weaviate-next/go.mod testdata/servers/weaviate-next/go.sum
	@echo "building a newer Weaviate, which takes some minutes the first time"
	@cd testdata/servers/weaviate-next && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/weaviate/weaviate/cmd/weaviate-server

$(BIN)/minio: testdata/servers/minio/go.mod testdata/servers/minio/go.sum
	@echo "building MinIO, which takes some minutes the first time"
	@cd testdata/servers/minio && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/minio/minio

.PHONY: cluster-servers
cluster-servers: servers $(BIN)/kubernetes $(BIN)/pause $(BIN)/etcd $(BIN)/coredns ## build the real Kubernetes that the cluster tests run

$(BIN)/kubernetes: testdata/servers/kubernetes/go.mod testdata/servers/kubernetes/go.sum testdata/servers/kubernetes/main.go
	@echo "building Kubernetes, which takes some minutes the first time"
	@cd testdata/servers/kubernetes && version=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubernetes) && CGO_ENABLED=0 $(GO) build -trimpath \
		-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" -o $(CURDIR)/$@ .

$(BIN)/pause: testdata/servers/kubernetes/pause/main.go
	@cd testdata/servers/kubernetes && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ ./pause

$(BIN)/etcd: testdata/servers/etcd/go.mod testdata/servers/etcd/go.sum testdata/servers/etcd/main.go
	@cd testdata/servers/etcd && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ .

$(BIN)/coredns: testdata/servers/coredns/go.mod testdata/servers/coredns/go.sum
	@echo "building CoreDNS, which takes some minutes the first time"
	@cd testdata/servers/coredns && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/coredns/coredns

.PHONY: cluster-up
cluster-up: cluster-servers ## a real Kubernetes of one node on this machine, as root on Linux; it stays until cluster-down
	$(GO) run ./internal/cluster/cmd/cluster up

.PHONY: cluster-down
cluster-down: ## remove that cluster and all that it made
	$(GO) run ./internal/cluster/cmd/cluster down

.PHONY: e2e
e2e: servers ## the tests in a real cluster: that of KUBECONFIG (DRILL_IMAGE and DRILL_HOST say how it gets at the tool and this machine), or of cluster-up
	DRILL_REQUIRE_ALL=1 $(GO) test -count 1 -timeout 50m ./deploy ./backup/sandbox/kubernetes ./internal/e2e $(if $(KUBECONFIG),,./internal/cluster)

.PHONY: demo
demo: build $(BIN)/weaviate-server $(BIN)/minio ## a whole drill on this machine: real Weaviate, real S3, nothing to configure
	$(BIN)/weaviate-drill demo

.PHONY: test
test: servers ## all tests, on real servers
	$(GO) test -timeout 50m ./...

.PHONY: bench
bench: servers ## the benchmarks; read the metric "ratio"
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 50m ./...

.PHONY: lint
lint: $(BIN)/golangci-lint ## golangci-lint, built at the version that testdata/tools pins
	$(BIN)/golangci-lint run ./...

$(BIN)/golangci-lint: testdata/tools/golangci-lint/go.mod testdata/tools/golangci-lint/go.sum
	@cd testdata/tools/golangci-lint && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
