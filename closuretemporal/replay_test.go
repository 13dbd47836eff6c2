package closuretemporal

import (
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/worker"
)

// The histories are of a real server, one for each way through the workflows. A
// change of a workflow that can't replay them would block bookings that are under
// way: it needs workflow.GetVersion. devserver's TestRecordHistories made them.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "histories", "*.json"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d histories, %v", len(files), err)
	}
	set := options(t, testKeyring())
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
				DataConverter: set.DataConverter, FailureConverter: set.FailureConverter,
				DisableDeadlockDetection: true, // by the clock: a machine that stands still for 1 s isn't one
			})
			if err != nil {
				t.Fatal(err)
			}
			registerWorkflows(replayer)
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
				t.Error(err)
			}
		})
	}
}
