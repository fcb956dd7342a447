import ispconfig restrictions.tsv users.tsv
