"""Running a training as a process: launching, teams of processes, stopping, resuming."""
