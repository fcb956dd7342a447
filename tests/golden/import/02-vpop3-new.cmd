import vpop3 02-vpop3-new.txt
