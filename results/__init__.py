"""From records to statistics, tables and pictures. Reads run folders, never imports torch."""
