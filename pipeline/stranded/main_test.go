package stranded_test

import (
	"testing"

	"vedette/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { pipelinetest.VerifyMain(m) }
