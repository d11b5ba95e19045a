use solana_program::{
    account_info::{next_account_info, AccountInfo},
    entrypoint,
    entrypoint::ProgramResult,
    program_error::ProgramError,
    pubkey::Pubkey,
};

entrypoint!(process_instruction);

#[derive(BorshSerialize, BorshDeserialize)]
pub struct Ticket {
    pub kind: u8,
    pub holder: Pubkey,
    pub seat: u32,
}

pub fn process_instruction(_program_id: &Pubkey, accounts: &[AccountInfo], _data: &[u8]) -> ProgramResult {
    let [ticket_info, holder_info, seat_info] = accounts else {
        return Err(ProgramError::NotEnoughAccountKeys);
    };
    let ticket = Ticket::try_from_slice(&ticket_info.try_borrow_data()?)?;
    if !holder_info.is_signer || ticket.holder != *holder_info.key {
        return Err(ProgramError::MissingRequiredSignature);
    }
    seat_info.try_borrow_mut_data()?[0] = ticket.seat as u8;
    Ok(())
}
