# The image of weaviate-drill: the static binary, CA certificates, and nothing else that runs. "make image" makes the same one without a registry.
#   docker build --build-arg VERSION=$(git describe --tags --always) -t weaviate-drill .
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH VERSION=dev
RUN CGO_ENABLED=0 GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /weaviate-drill ./cmd/weaviate-drill
RUN mkdir -p /empty/tmp /empty/home && chmod 1777 /empty/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /empty/tmp /tmp
COPY --from=build --chown=65532:65532 /empty/home /var/lib/weaviate-drill
COPY --from=build /weaviate-drill /usr/bin/weaviate-drill
USER 65532:65532
WORKDIR /var/lib/weaviate-drill
ENTRYPOINT ["/usr/bin/weaviate-drill"]
