import vpop3 01-vpop3-old.txt
