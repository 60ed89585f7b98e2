"""What users test their agents with: virtual time, a network in memory, scripted providers, a caller, a replay."""
