import postfix relay.cidr hash:client.txt
