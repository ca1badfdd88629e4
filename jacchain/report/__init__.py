"""What people read: text from plans and runs. Reads only, computes nothing."""
