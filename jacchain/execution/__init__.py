"""From a plan to a program to a result: lowering, verification, buffers and the run itself."""
