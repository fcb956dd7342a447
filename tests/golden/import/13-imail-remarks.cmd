import imail relay-remarks.txt
