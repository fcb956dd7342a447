import ispconfig joined.tsv
