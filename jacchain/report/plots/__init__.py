"""Pictures of plans. They need matplotlib, the extra ``plot``; a figure is drawn without a display."""
