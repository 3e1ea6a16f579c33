"""From a plan to text: printers, templates and the files they make."""
