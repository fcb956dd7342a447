import vpop3 pop3:vpop3-odd.txt
