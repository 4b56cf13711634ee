package doctor

import (
	"fmt"

	"vedette/pipeline/job"
)

// conditions finds what processes lack for their work. The advice depends on the
// reason.
func conditions(s Snapshot) []Finding {
	var found []Finding
	for _, p := range s.Processes {
		for _, c := range p.Conditions {
			if c.OK || reportedElsewhere(c.Name) {
				continue
			}
			f := Finding{
				Kind: Fault, Subject: p.Process.Name + "/" + string(c.Name),
				Found: fmt.Sprintf("%s of process %s on %s has failed: %s", c.Name, p.Process.Name, p.Process.Host, c.Detail),
			}
			if !c.Since.IsZero() {
				f.Found = fmt.Sprintf("%s of process %s on %s has failed for %s: %s", c.Name, p.Process.Name, p.Process.Host, rounded(max(0, s.At.Sub(c.Since))), c.Detail)
			}
			f.Why, f.Advice = remedy(c)
			found = append(found, f)
		}
	}
	return found
}

// reportedElsewhere is true for conditions that have findings of their own, with
// more detail.
func reportedElsewhere(name job.ProcessConditionName) bool {
	return name == job.ProcessChildren || name == job.ProcessNATS || name == job.ProcessRunning
}

// remedy returns the effect of a condition that has failed, and what to do.
func remedy(c job.ProcessCondition) (why, advice string) {
	switch c.Name {
	case job.ProcessStorage:
		return storageRemedy(c.Reason)
	case job.ProcessSchedule:
		return "without ticks nothing is scheduled, so nothing is checked", "see the log of the process, and of the server that it is connected to"
	case job.ProcessResults:
		return "monitors are not checked, or their results are not stored", "'vedette ps --tree' shows whether the stages check and evaluate run; see their log"
	case job.ProcessMail:
		return mailRemedy(c.Reason)
	case job.ProcessClock:
		return "checks went on within seconds; slots in a step forward are recorded as missed, those in a step back are checked again, and times that were reported before are wrong by the step",
			"nothing is to be repaired; synchronize the clock of that machine, such as with chrony or systemd-timesyncd, so that it does not jump"
	case job.ProcessWatchdog:
		why = "the other side reports this installation as gone"
		if c.Reason == job.FaultPingRefused {
			return why, "check the URL in watchdog, and its token: the other side answers, and does not know it"
		}
		return why, "check the URL in watchdog, and the network to it"
	case job.ProcessData:
		return "what was lost is missing in the history, or happens again: the finding says which", "restore a backup of the data directory, or accept the loss: this finding ends with the next start; check the disk"
	case job.ProcessTemplates:
		return "mails on which a template fails leave with the built-in text", "correct the template that the finding names, and send SIGHUP to the process, or start it again"
	case job.ProcessFile:
		return fileRemedy(c.Reason)
	default: // from a newer version
		return "the process does not work fully", "see the log of that process"
	}
}

// fileRemedy is [remedy] for a file that is not applied.
func fileRemedy(reason job.ProcessConditionReason) (why, advice string) {
	why = "what is stored is watched, and changes in the file have no effect"
	switch reason {
	case job.FaultFileRemovals:
		return why, "complete the file: it is read again automatically; if the monitors should go, use 'vedette apply --allow-removals FILE'"
	case job.FaultFileNotStored:
		return why, "see the log of the process; it tries again automatically"
	default:
		return why, "'vedette validate FILE' shows the mistakes; the file is read again automatically"
	}
}

// storageRemedy is the remedy for a fault of the storage.
func storageRemedy(reason job.ProcessConditionReason) (why, advice string) {
	why = "what cannot be stored does not happen: checks, alerts and mails stop"
	const again = "; Vedette continues automatically within seconds"
	switch reason {
	case job.FaultDiskFull:
		return why, "free space on that disk, or enlarge it" + again
	case job.FaultReadOnly:
		return why, "see the kernel's log for errors of the disk, and remount the file system writable" + again
	case job.FaultNoPermission:
		return why, "give the data directory to the user that runs Vedette" + again
	case job.FaultDataRemoved:
		return "jobs, states and notification logs that were in it are lost; without them, running incidents may be notified again", "if it is on a disk of its own, mount that again; otherwise Vedette starts again on an empty directory, and its log says what was lost"
	case job.FaultNoDescriptors:
		return "files and connections cannot be opened: checks, alerts and mails stop", "raise the limit (ulimit -n, or LimitNOFILE in systemd), or find out who holds so many connections" + again
	case job.FaultDiskError:
		return why, "see the kernel's log, and check or replace the disk" + again
	case job.FaultDiskStalled:
		return why, "see the kernel's log: the disk, or the server of a network file system, does not answer" + again
	case job.FaultWriteError:
		return why, "nothing, if it lasts for seconds: the NATS server is being restarted; otherwise see the log of the process"
	case job.FaultNotStored:
		return why, "see the log of the NATS server: after a full disk it must be restarted; Vedette keeps trying, and continues automatically"
	default:
		return why, "free space and check the disk with the data directory" + again
	}
}
