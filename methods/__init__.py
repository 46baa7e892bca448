"""The mathematics: one idea per file. Imports torch and nothing else; knows no files, devices, clusters or metrics."""
