package transport

import (
	"os"
	"testing"

	"github.com/closurehealth/closure-go/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }
