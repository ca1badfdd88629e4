"""Orders and schedules for several workers."""
