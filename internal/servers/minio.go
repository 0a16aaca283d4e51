package servers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// MinIO is a running S3 server with a KMS of its own, so that encryption at rest is real.
type MinIO struct {
	*Process
	Endpoint             string // URL
	AccessKey, SecretKey string
}

// StartMinIO runs MinIO on a free loopback port with its data and log in dir.
func StartMinIO(ctx context.Context, dir string) (*MinIO, error) {
	return StartMinIOAt(ctx, "127.0.0.1", dir)
}

// StartMinIOAt runs MinIO on a free port of a local address, such as that of a bridge to containers, which do not reach the loopback.
func StartMinIOAt(ctx context.Context, host, dir string) (*MinIO, error) {
	bin, err := Find("minio")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	port, err := freePorts(host, 1)
	if err != nil {
		return nil, err
	}
	kmsKey := make([]byte, 32)
	_, _ = rand.Read(kmsKey)
	address := net.JoinHostPort(host, fmt.Sprint(port))
	m := &MinIO{Endpoint: "http://" + address, AccessKey: "drill-" + rand.Text()[:10], SecretKey: rand.Text() + rand.Text()}
	m.Process, err = start("minio", bin, []string{"server", data, "--address", address, "--console-address", "127.0.0.1:0", "--quiet"}, []string{
		"HOME=" + dir, "MINIO_ROOT_USER=" + m.AccessKey, "MINIO_ROOT_PASSWORD=" + m.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_KMS_SECRET_KEY=drill-key:" + base64.StdEncoding.EncodeToString(kmsKey),
		"MINIO_CI_CD=1", // allows a data folder on the root disk
	}, dir, filepath.Join(dir, "minio.log"), false)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := m.waitFor(ctx, m.Endpoint+"/minio/health/cluster"); err != nil {
		m.Kill()
		return nil, err
	}
	return m, nil
}

// SetEnv makes the AWS SDK's default chain of this program use the server's root credentials, and no shared file of the user.
func (m *MinIO) SetEnv(set func(key, value string)) {
	set("AWS_ACCESS_KEY_ID", m.AccessKey)
	set("AWS_SECRET_ACCESS_KEY", m.SecretKey)
	set("AWS_SESSION_TOKEN", "")
	set("AWS_REGION", "us-east-1")
	set("AWS_CONFIG_FILE", os.DevNull)
	set("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	set("AWS_EC2_METADATA_DISABLED", "true")
}
