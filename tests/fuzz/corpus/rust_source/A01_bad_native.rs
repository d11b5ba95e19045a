use solana_program::{
    account_info::{next_account_info, AccountInfo},
    entrypoint,
    entrypoint::ProgramResult,
    program_error::ProgramError,
    pubkey::Pubkey,
};

entrypoint!(process_instruction);

pub struct Shelf {
    pub keeper: Pubkey,
    pub owner: Pubkey,
    pub books: u64,
}

impl Shelf {
    pub fn read(info: &AccountInfo, program_id: &Pubkey) -> Result<Self, ProgramError> {
        if info.owner != program_id {
            return Err(ProgramError::IncorrectProgramId);
        }
        Shelf::try_from_slice(&info.data.borrow())
    }
}

pub fn process_instruction(program_id: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    match data[0] {
        0 => put(program_id, accounts, data[1] as u64),
        _ => Err(ProgramError::InvalidInstructionData),
    }
}

fn put(program_id: &Pubkey, accounts: &[AccountInfo], count: u64) -> ProgramResult {
    let iter = &mut accounts.iter();
    let shelf_info = next_account_info(iter)?;
    let owner_info = next_account_info(iter)?;
    let mut shelf = Shelf::read(shelf_info, program_id)?;
    check_owner(&shelf, owner_info)?;
    shelf.books = count;
    shelf.serialize(&mut *shelf_info.data.borrow_mut())?;
    Ok(())
}

fn check_owner(shelf: &Shelf, owner: &AccountInfo) -> ProgramResult {
    if shelf.owner != *owner.key {
        return Err(ProgramError::IllegalOwner);
    }
    Ok(())
}
