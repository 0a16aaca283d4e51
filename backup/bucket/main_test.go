package bucket_test

import (
	"os"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }
